// unrect VERB FILE [--options]: results on stdout, one line of trouble on stderr, an exit status a script can act on.
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>

#include "cli.hpp"
#include "unrect/base/error.hpp"

namespace {

// 2 is for wrong use, as is the habit; 3 says that the network holds something unrect cannot represent.
int exit_status(unrect::ErrorCode code) {
  switch (code) {
    case unrect::ErrorCode::kInvalidArgument:
      return 2;
    case unrect::ErrorCode::kUnsupported:
      return 3;
    case unrect::ErrorCode::kFile:
    case unrect::ErrorCode::kFormat:
      return 4;
    case unrect::ErrorCode::kCancelled:
      return 130;
  }
  return 1;
}

// One line, whatever the message quotes.
int complain(const char* message, int status) {
  std::string line(message);
  for (char& c : line) {
    if (static_cast<unsigned char>(c) < ' ') c = ' ';
  }
  std::fprintf(stderr, "unrect: %s\n", line.c_str());
  return status;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Opens up ReLU networks: every region, every affine map, every bound.", "unrect");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", UNRECT_VERSION);
  app.footer(
      "Exit status: 0 done, 2 wrong use, 3 the network holds something unsupported, 4 a bad file.\n"
      "Each verb has --help with examples.");
  unrect::cli::add_info(app);
  unrect::cli::add_inspect(app);
  unrect::cli::add_convert(app);
  unrect::cli::add_random(app);
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) return complain("which verb? See unrect --help", 2);
    if (std::fflush(stdout) != 0) return complain("standard output: cannot write", 4);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    return complain(error.what(), 2);
  } catch (const unrect::Error& error) {
    return complain(error.what(), exit_status(error.code()));
  } catch (const std::system_error& error) {
    return complain((std::string("standard output: ") + error.what()).c_str(), 4);
  } catch (const std::bad_alloc&) {
    return complain("not enough memory", 1);
  } catch (const std::exception& error) {
    return complain(error.what(), 1);
  }
  return 0;
}
