// Of the disk that the spool writes to.
#include <fmt/format.h>
#include <pwd.h>
#include <sys/stat.h>

#include <numeric>

#include "daemon/doctor/doctor.h"
#include "daemon/run/configured_ports.h"

namespace parallax {
namespace {

constexpr double kMega = 1e6;

// All ports at once, in bytes a second; 0: no interface tells its speed.
double wire_rate(const v1::Config& config, const Machine& machine) {
  double rate = 0;
  for (const ConfiguredPort& port : configured_ports(config)) {
    const int64_t mbit = port.interface.empty() ? 0 : machine.number("/sys/class/net/" + port.interface + "/speed").value_or(0);
    if (mbit > 0) rate += static_cast<double>(mbit) * kMega / 8;
  }
  return rate;
}

// Whom the daemon becomes; null: whoever starts it.
const passwd* user_of(const v1::Config& config) {
  return ::getpwnam(config.service().user().empty() ? "parallax" : config.service().user().c_str());
}

bool may_write(const FileOwner& owner, const passwd& user) {
  if (user.pw_uid == 0) return true;
  if (owner.user == user.pw_uid) return (owner.mode & S_IWUSR) != 0;
  return (owner.mode & (owner.group == user.pw_gid ? S_IWGRP : S_IWOTH)) != 0;
}

}  // namespace

void examine_disk(const v1::Config& config, const Machine& machine, Chapter& chapter) {
  const std::string& directory = config.spool().directory();
  if (directory.empty()) return;
  const std::optional<FileOwner> owner = machine.owner_of(directory);
  const passwd* const user = user_of(config);
  if (!owner)
    return chapter.look(
        directory, "is not there yet",
        fmt::format("install -d -m 750{} {}", user ? fmt::format(" -o {0} -g {0}", user->pw_name) : "", directory));
  if (user != nullptr && !may_write(*owner, *user))
    chapter.wrong(directory, fmt::format("is not {}'s to write", user->pw_name),
                  fmt::format("chown {0}:{0} {1}", user->pw_name, directory));
  const std::optional<double> rate = machine.write_rate(directory);
  if (!rate) return chapter.look(directory, "could not be tried", "run this as root, or as the daemon's user");
  const double wire = wire_rate(config, machine);
  const std::string writes = fmt::format("takes {:.0f} MB/s", *rate / kMega);
  if (wire == 0 || *rate >= wire) return chapter.good(directory, writes + (wire > 0 ? ", as much as all links bring" : ""));
  chapter.look(directory,
               fmt::format("{}, and all links full bring {:.0f} MB/s: above {:.0f} % the spool drops bursts, and counts them",
                           writes, wire / kMega, 100 * *rate / wire),
               "a faster disk, spool.snaplen, or filter.spool");
}

}  // namespace parallax
