// What is made from the command line of `parallax`: its man page, and the completion for bash. Both lie in systemd/ as they are
// installed; `./dev docs` writes them anew, and a test holds that they are true.
#pragma once

#include <string>

namespace CLI {
class App;
}

namespace parallax {

std::string man_page(const CLI::App& app);         // parallax(1), for man
std::string bash_completion(const CLI::App& app);  // for bash 4 and later, with or without the package bash-completion

}  // namespace parallax
