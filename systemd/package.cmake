# The Debian package: `./dev package`. CPack, and not debhelper, because it packs what `cmake --install` installs, from the one list
# in CMakeLists.txt; what debhelper would add to it are the four small files in debian/.
set(CPACK_GENERATOR DEB)
set(CPACK_SET_DESTDIR ON)  # so that /etc is the package's own
set(CPACK_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_PACKAGE_NAME parallax)
set(CPACK_PACKAGE_CONTACT "The Parallax developers <parallax@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "sensor that watches both sides of a firewall, NAT or load balancer")
set(CPACK_PACKAGE_DESCRIPTION
  "Parallax follows every packet across a device, whatever the device rewrites, and says who dropped, refused, reset or delayed what: as a daemon on live ports, with an API, metrics and a ring of pcapng files; and as a command over capture files.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION net)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# For the user, and the spool's directory. Debian's systemd provides both; so do the stand-alone programs, in a container.
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-sysusers, systemd | systemd-tmpfiles")
# DPDK's drivers are loaded at run time; a sensor on pcap: ports needs none of them.
# For webhook.url with https:.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "ca-certificates, librte-meta-net, librte-meta-bus, librte-meta-mempool")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "dpdk, prometheus, wireshark | tshark")
set(control ${CMAKE_CURRENT_SOURCE_DIR}/debian)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${control}/conffiles ${control}/postinst ${control}/prerm ${control}/postrm)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
include(CPack)
