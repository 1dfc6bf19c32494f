#include "daemon/client/analyze_command.h"

#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <memory>
#include <string>

#include "daemon/client/analyze.h"
#include "daemon/client/heap_room.h"

namespace parallax {
namespace {

constexpr size_t kHeapRoom = size_t{4} << 30;

constexpr const char* kFooter = R"(
Name the points in their order along the path. What stands between two of them is a device, and what became
of each packet in it is the question. Files are pcap or pcapng, plain, gzip or zstd; FILE#N is interface N of a
pcapng, counted from 0; - is standard input. Several files of one point, as from a TAP with one for each direction, are
merged by time; those that match a pattern in quotes, as tcpdump -C leaves them, follow one another.

  parallax analyze outside=tap0.pcap,tap1.pcap inside=span.pcapng.gz
  parallax analyze outside=both.pcapng#0 inside=both.pcapng#1     two interfaces of one file
  parallax analyze outside='out.pcap*' inside='in.pcap*'          two rotated sets
  tcpdump -r trace.pcap -w - | parallax analyze here=-
  parallax analyze here=trace.pcap                                one point alone
  parallax analyze outside=a.pcap inside=b.pcap --format json -Y 'tcp port 443' > records.jsonl

With --align-clocks auto the clocks of the points are compared by the packets that both saw, in both directions, and
the files are read twice for it; where the stamps cannot be of one clock, they are brought to that of the first point,
and the records say by how much, and how far that may be wrong: a constant asymmetry of the two ways cannot be seen.
Where a clock was set in the middle, both sides of the step are aligned. Pipes are taken as they are.

The report shows one example of each kind of finding as a ladder: client, points and server as columns, a line a packet. X: lost in
the device; *: made by it; ?: seen on one side, and not known why; !: a finding rests on it. #3/4: its frame in the files of the
points, from the client's side. Of captures of more than 128 MiB only --ladder shows them. Colours: on a terminal, unless NO_COLOR is set.

--html FILE writes the same report as one page that needs no network and no other file: each example also as a time-sequence graph
with both points over each other, its packets as a table with what was rewritten (old > new), and the 1,000 connections to look at
first. Standard output has what --format asks for besides.

  parallax analyze outside=a.pcap inside=b.pcap --html report.html

--access-log FILE takes a web server's or proxy's own log, plain, gzip or zstd: the common and combined formats of Apache and
nginx, haproxy's HTTP log, or W3C extended (IIS). Its requests are looked for among those captured, one to one, by method,
target, status, time and client; what fits several is left alone. The client that it names (the address that connected, or
X-Forwarded-For in a quoted field, captured header or column of its own) becomes the request's forwarded_for, and pairs the
connections on the two sides of a proxy. Both clocks need not agree. The report says what came of it.

  parallax analyze outside=a.pcap inside=b.pcap --access-log /var/log/nginx/access.log

Exit codes: 0 done; 1 the work failed, or a file could not be read and the others were analysed; 2 wrong
usage, or no input could be read. A file cut in the middle is analysed up to there, with a warning.)";

}  // namespace

void add_analyze_command(CLI::App& app, int& exit_code) {
  CLI::App& command = *app.add_subcommand("analyze", "analyse capture files: who dropped, refused or reset what, and where");
  const auto options = std::make_shared<AnalyzeOptions>();
  // What values are right is checked by analyze(), which says it better.
  command.add_option("POINT=FILE", options->points, "the files of each point: POINT=FILE[,FILE...]")
      ->required()
      ->option_text("...");
  command.add_option("--format", options->format, "text: a report for people (default); json: JSON Lines")
      ->option_text("text|json");
  command.add_flag("--packets", options->packets, "with --format json: a record for each packet, too");
  command.add_option("--config", options->config_file, "take limits, timing and filter from this configuration")
      ->option_text("FILE");
  command.add_option("-Y,--filter", options->filter, "analyse only what this BPF expression lets through")->option_text("BPF");
  command
      .add_option("--html", options->html_file,
                  "write the report as a page for a browser to this file, too: graphs, tables that sort")
      ->option_text("FILE");
  command
      .add_option("--ladder", options->ladder,
                  "print the packets of this connection instead of the report: where each was seen, line by line")
      ->option_text("CONNECTION")
      ->check([](const std::string& text) {
        const bool is_number =
            text.find_first_not_of("0123456789") == std::string::npos && text.find_first_not_of('0') < text.size();
        return is_number ? std::string() : '\'' + text + "' is no connection: their numbers begin with 1";
      });
  command
      .add_option("--align-clocks", options->align_clocks,
                  "auto (default): bring the stamps of all points to one clock; off: take them as they stand")
      ->option_text("auto|off");
  command.add_option("--workers", options->workers, "analysis workers (default 1); the output is the same")
      ->option_text("N")
      ->check([](const std::string& text) {
        const bool is_number = !text.empty() && text.find_first_not_of("0123456789") == std::string::npos;
        return is_number ? std::string() : fmt::format("'{}' is no number: must be 1 to {}", text, kAnalyzeWorkersMax);
      });
  command
      .add_option("--access-log", options->access_log,
                  "a server's or proxy's log of the requests: joins them to connections, and names their clients")
      ->option_text("FILE");
  command.footer(kFooter);
  command.callback([options, &exit_code] {
    make_heap_room(kHeapRoom);
    exit_code = analyze(*options, stdout, stderr);
  });
}

}  // namespace parallax
