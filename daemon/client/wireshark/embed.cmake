# Puts the profile and the Lua script for Wireshark into a C++ file, so that the program needs no files beside it.
set(wireshark ${CMAKE_CURRENT_LIST_DIR})
foreach(asset preferences colorfilters dfilter_buttons enabled_protos parallax.lua)
  string(MAKE_C_IDENTIFIER ${asset} name)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${wireshark}/${asset})
  file(READ ${wireshark}/${asset} ${name})
endforeach()
configure_file(${wireshark}/wireshark_assets.cpp.in ${CMAKE_CURRENT_BINARY_DIR}/wireshark_assets.cpp @ONLY)
