#include "daemon/client/manual.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <map>
#include <set>
#include <sstream>
#include <string_view>
#include <vector>

#include "analysis/model/vocabulary.h"

namespace parallax {
namespace {

constexpr std::string_view kManHead =
    R"(.\" Made from the command line by `./dev docs`.
.TH PARALLAX 1 "" "Parallax" "Parallax"
.SH NAME
parallax \- says who dropped, refused or reset what between the two sides of a device
.SH SYNOPSIS
.B parallax
.I COMMAND
.RI [ OPTION ]...
.SH DESCRIPTION
)";

constexpr std::string_view kManFoot = R"(.SH EXIT STATUS
.TP
.B 0
done
.TP
.B 1
the work failed
.TP
.B 2
wrong usage, or no input could be read
.SH FILES
.TP
.I /run/parallax/grpc.sock
where
.BR parallaxd (8)
answers, unless
.B \-\-target
names another address
.TP
.I ~/.config/parallax/sensors
sensors for Wireshark's list of interfaces
.SH SEE ALSO
.BR parallaxd (8),
.BR parallax.yaml (5),
.I /usr/share/doc/parallax/README.md
)";

// Complete after the last comma: POINT=FILE,FILE. Where bash takes = for a word of its own, the word after it is what is
// completed.
constexpr std::string_view kCompletionFoot = R"(  if [[ -z $words ]]; then
    local last=${current##*[,=]}
    mapfile -t COMPREPLY < <(compgen -f -P "${current%"$last"}" -- "$last")
    compopt -o filenames -o nospace 2> /dev/null
  else
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
  fi
}
complete -F _parallax parallax
)";

using Apps = std::vector<const CLI::App*>;
using Options = std::vector<const CLI::Option*>;

Apps commands_of(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

// Commands within commands after the one that has them: "wireshark", "wireshark install".
void collect(const CLI::App& app, const std::string& above, std::vector<std::pair<std::string, const CLI::App*>>& all) {
  for (const CLI::App* command : commands_of(app)) {
    const std::string name = above.empty() ? command->get_name() : above + ' ' + command->get_name();
    all.emplace_back(name, command);
    collect(*command, name, all);
  }
}

std::vector<std::pair<std::string, const CLI::App*>> all_commands(const CLI::App& app) {
  std::vector<std::pair<std::string, const CLI::App*>> all;
  collect(app, "", all);
  return all;
}

Options options_of(const CLI::App& app, bool positional) {
  return app.get_options([&](const CLI::Option* option) { return option->nonpositional() != positional; });
}

// "text|json", "DIR"; empty for a flag. What it excludes and needs is said when it is tried.
std::string value_of(const CLI::Option& option) {
  std::string text = CLI::Formatter().make_option_opts(&option);
  for (const char* rest : {" Excludes:", " Needs:"}) text = text.substr(0, text.find(rest));
  text.erase(0, text.find_first_not_of(' '));
  return text;
}

std::string roff(std::string_view text) {
  std::string escaped;
  for (const char c : text) {
    if (escaped.empty() && (c == '.' || c == '\'')) escaped += "\\&";
    escaped += c == '\\' ? "\\e" : c == '-' ? "\\-" : std::string(1, c);
  }
  return escaped;
}

void add_options(const Options& options, std::string& page) {
  for (const CLI::Option* option : options) {
    const std::string value = value_of(*option);
    page += fmt::format(".TP\n\\fB{}\\fR{}\n{}\n", roff(option->get_name(option->get_positional(), true)),
                        value.empty() ? "" : " " + roff(value), roff(option->get_description()));
  }
}

// Paragraphs are filled; indented lines, which are examples, are left as they are.
void add_footer(const std::string& footer, std::string& page) {
  std::istringstream lines(footer);
  bool is_example = false, is_open = false;
  for (std::string line; std::getline(lines, line);) {
    const bool indented = line.starts_with("  ");
    if (is_example && !indented) page += ".fi\n";
    if (indented && !is_example) page += ".PP\n.nf\n";
    is_example = indented;
    if (line.empty()) {
      is_open = false;
      continue;
    }
    if (!indented && !is_open) page += ".PP\n";
    is_open = !indented;
    page += roff(line) + '\n';
  }
  if (is_example) page += ".fi\n";
}

// The words that may follow an option. Empty: a file, or whatever else.
std::string choices_of(const CLI::Option& option) {
  const auto names = [](int count, auto name) {
    std::string words;
    for (int i = 0; i < count; ++i) words += (i == 0 ? "" : " ") + std::string(name(i));
    return words;
  };
  const std::string name = option.get_single_name();
  if (name == "kind") return names(kFindingKindCount, [](int i) { return name_of(static_cast<FindingKind>(i)); });
  if (name == "severity") return names(4, [](int i) { return name_of(static_cast<Severity>(i)); });
  if (name == "outcome") return "established refused unanswered incomplete midstream answered one_way";
  std::string value = value_of(option);  // text|json, TEXT:{text,json}=text
  if (const size_t open = value.find('{'); open != std::string::npos) {
    value = value.substr(open + 1, value.find('}') - open - 1);
  } else if (value.find('|') == std::string::npos) {
    return {};
  }
  for (char& c : value) {
    if (c == ',' || c == '|') c = ' ';
  }
  return value;
}

// "-o", "--output"
std::vector<std::string> spellings(const CLI::Option& option) {
  std::vector<std::string> names;
  for (const std::string& name : option.get_snames()) names.push_back('-' + name);
  for (const std::string& name : option.get_lnames()) names.push_back("--" + name);
  return names;
}

std::string joined(const std::set<std::string>& words, const char* between) {
  return fmt::format("{}", fmt::join(words, between));
}

}  // namespace

std::string man_page(const CLI::App& app) {
  std::string page(kManHead);
  page += roff(app.get_description()) + "\n.SH OPTIONS\n";
  add_options(options_of(app, false), page);
  page += ".SH COMMANDS\n";
  for (const auto& [name, command] : all_commands(app)) {
    const Options positionals = options_of(*command, true);
    page += fmt::format(".SS parallax {}{}\n{}.\n", name,
                        positionals.empty() ? "" : " " + roff(positionals.front()->get_name(true)) + "...",
                        roff(command->get_description()));
    add_options(positionals, page);
    Options options = options_of(*command, false);
    std::erase(options, command->get_help_ptr());
    add_options(options, page);
    add_footer(command->get_footer(), page);
  }
  return page + std::string(kManFoot);
}

// What an option takes is the same for every command that has it.
std::string bash_completion(const CLI::App& app) {
  std::string words_by_command;
  std::map<std::string, std::set<std::string>> options_by_choices;
  const auto add = [&](const std::string& name, const CLI::App& command) {
    std::string words;
    for (const CLI::App* below : commands_of(command)) words += below->get_name() + ' ';
    for (const CLI::Option* option : options_of(command, false)) {
      words += spellings(*option).back() + ' ';
      if (option->get_items_expected_max() == 0) continue;
      for (const std::string& spelling : spellings(*option)) options_by_choices[choices_of(*option)].insert(spelling);
    }
    words.pop_back();
    words_by_command += fmt::format("      \"{}\") words=\"{}\" ;;\n", name, words);
  };
  add("", app);
  std::set<std::string> names;
  for (const auto& [name, command] : all_commands(app)) {
    add(name, *command);
    names.insert('"' + name + '"');
  }
  std::string values;
  for (const auto& [choices, options] : options_by_choices)
    values += fmt::format("    {}) words=\"{}\" ;;\n", joined(options, " | "), choices);
  return fmt::format(R"(# bash completion for parallax. Made from the command line by `./dev docs`.
_parallax() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} command='' words='' i word
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=${{command:+$command }}${{COMP_WORDS[i]}}
    case $word in
      {}) command=$word ;;
    esac
  done
  [[ $current != "=" ]] || current=''
  # What the option before takes; without words of its own it is a file. Then a command's options; what analyze takes else are files.
  case ${{COMP_WORDS[COMP_CWORD - 1]}} in
{}    *) [[ $command == analyze && $current != -* ]] || case $command in
{}    esac ;;
  esac
{})",
                     joined(names, " | "), values, words_by_command, kCompletionFoot);
}

}  // namespace parallax
