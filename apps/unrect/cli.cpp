#include "cli.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <unistd.h>

#include <charconv>
#include <cmath>
#include <cstdio>
#include <exception>
#include <new>
#include <string>
#include <system_error>
#include <vector>

#include "progress.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/verify/vnnlib.hpp"

namespace unrect::cli {
namespace {

// 2 is for wrong use, as is the habit; 3 says that the network holds something unrect cannot represent.
int exit_status(ErrorCode code) {
  switch (code) {
    case ErrorCode::kInvalidArgument:
      return 2;
    case ErrorCode::kUnsupported:
      return 3;
    case ErrorCode::kFile:
    case ErrorCode::kFormat:
      return 4;
    case ErrorCode::kCancelled:
      return interruption_status();
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

void NetworkOptions::add_to(CLI::App& verb, const std::string& name) {
  verb.add_option(name, file, "network: .onnx, or .npz with W0, b0, W1, b1, …")->required();
  add_field(verb, "--cut-softmax", import, import.cut_softmax);
}

Network NetworkOptions::read_as_it_stands() const {
  ImportOptions options = import;
  options.fold = false;
  options.max_elements = std::max(options.max_elements, Index{1} << 28);  // unfolded it is larger
  return read_network(file, options);
}

CLI::Validator within(double low, double high) { return in_range<double>(between(low, high)); }
CLI::Validator not_negative() { return in_range<double>(at_least(0)); }
CLI::Validator positive() { return in_range<double>(above(0)); }

std::string help_of(const Option& option) {
  return fmt::format("{}{}", option.help,
                     option.otherwise.empty() ? "" : fmt::format(" (default: {})", option.otherwise));
}

CLI::Option* add_threads(CLI::App& verb, Context& context) {
  return verb.add_option("--threads", context.threads, "threads; the answer does not depend on them")
      ->capture_default_str()
      ->check(in_range<int>(between(1, 1024)));
}

CLI::Option* add_seed(CLI::App& verb, std::uint64_t& seed, const std::string& what) {
  return verb.add_option("--seed", seed, what)
      ->capture_default_str()
      ->check(in_range<std::int64_t>(between(0, 0x1p53)));
}

Vector parse_vector(const std::string& text, const std::string& what) {
  if (text.ends_with(".npy")) return read_npy(text).to_vector();
  std::vector<double> values;
  const char *at = text.data(), *const end = at + text.size();
  while (at <= end) {
    while (at < end && *at == ' ') ++at;
    double value = 0;
    const auto [next, error] = std::from_chars(at, end, value);
    UNRECT_REQUIRE(error == std::errc() && std::isfinite(value), ErrorCode::kInvalidArgument,
                   "{}: entry {} of \"{}\" is not a finite number; expected numbers such as \"0.1,-2\" or an .npy file",
                   what, values.size() + 1, text.size() > 60 ? text.substr(0, 57) + "…" : text);
    values.push_back(value);
    at = next;
    while (at < end && *at == ' ') ++at;
    if (at == end) break;
    UNRECT_REQUIRE(*at == ',', ErrorCode::kInvalidArgument, "{}: found '{}' after entry {}, expected a comma", what,
                   *at, values.size());
    ++at;
  }
  return Eigen::Map<const Vector>(values.data(), static_cast<Index>(values.size()));
}

Vector read_sample(const std::string& text, bool raw) {
  const std::size_t colon = text.rfind(':');
  UNRECT_REQUIRE(colon != std::string::npos && colon + 1 < text.size() &&
                     text.find_first_not_of("0123456789", colon + 1) == std::string::npos && text.size() - colon < 12,
                 ErrorCode::kInvalidArgument, "{}: expected FILE:NUMBER, such as images.idx.gz:17", text);
  const std::string file = text.substr(0, colon);
  const auto number = static_cast<Index>(std::stoll(text.substr(colon + 1)));
  const Array images = read_idx(file);
  UNRECT_REQUIRE(!images.shape.empty() && number < images.shape[0], ErrorCode::kInvalidArgument,
                 "{}: sample {} of {}; they count from 0", file, number, images.shape.empty() ? 0 : images.shape[0]);
  const Vector all = images.to_vector();
  const Index size = all.size() / images.shape[0];
  const Vector sample = all.segment(number * size, size);
  return raw ? sample : Vector(sample / 255);
}

Box parse_box(const std::string& text, Index inputs) {
  const Vector values = parse_vector(text, "--box");
  UNRECT_REQUIRE(values.size() == 2 || values.size() == 2 * inputs, ErrorCode::kInvalidArgument,
                 "--box: {} numbers, expected LO,HI for all inputs or {} for {} intervals", values.size(), 2 * inputs,
                 inputs);
  Vector lower(inputs), upper(inputs);
  for (Index j = 0; j < inputs; ++j) {
    const Index at = values.size() == 2 ? 0 : 2 * j;
    lower[j] = values[at];
    upper[j] = values[at + 1];
  }
  return naming("--box", [&] { return Box(std::move(lower), std::move(upper)); });
}

Domain property_domain(const std::filesystem::path& file, Index input_set, const Network& network) {
  const Property property = read_vnnlib(file, {network.input_size(), network.output_size()});
  const auto sets = static_cast<Index>(property.cases.size());
  UNRECT_REQUIRE(sets > 0, ErrorCode::kInvalidArgument, "{}: domain: empty: no input satisfies {}", file.string(),
                 property.contradiction.empty() ? "its constraints" : property.contradiction);
  UNRECT_REQUIRE(input_set < sets && (input_set >= 0 || sets == 1), ErrorCode::kInvalidArgument,
                 "{}: {} input sets; expected --case with a number below that", file.string(), sets);
  const Property::Case& chosen = property.cases[static_cast<std::size_t>(std::max<Index>(input_set, 0))];
  return naming(file.string(), [&] { return Domain(chosen.box, chosen.input_rows); });
}

void require_place(const std::filesystem::path& file, const std::set<std::string>& extensions,
                   const std::string& option) {
  if (file.empty()) return;
  UNRECT_REQUIRE(extensions.contains(file.extension().string()), ErrorCode::kInvalidArgument, "{} {}: expected {}",
                 option, file.string(), fmt::join(extensions, " or "));
  const std::filesystem::path folder = file.has_parent_path() ? file.parent_path() : ".";
  UNRECT_REQUIRE(std::filesystem::is_directory(folder) && access(folder.c_str(), W_OK) == 0, ErrorCode::kFile,
                 "{} {}: {} is no folder that can be written", option, file.string(), folder.string());
  UNRECT_REQUIRE(!std::filesystem::is_directory(file), ErrorCode::kFile, "{} {}: a folder; expected a file", option,
                 file.string());
}

void require_used(const CLI::App& verb, const std::vector<Use>& uses) {
  for (const Use& use : uses) {
    UNRECT_REQUIRE(use.used || verb.count(use.option) == 0, ErrorCode::kInvalidArgument, "{} goes with {}", use.option,
                   use.beside);
  }
}

std::string shape_text(const Shape& shape) { return shape.empty() ? "1" : fmt::format("{}", fmt::join(shape, "×")); }

int run_app(int argc, char** argv, const std::function<void(CLI::App&)>& add_verbs) {
  CLI::App app("Opens up ReLU networks: every region, every affine map, every bound.", "unrect");
  app.require_subcommand(0, 1);
  app.set_version_flag("--version", UNRECT_VERSION);
  app.footer(
      "Exit status: 0 done, 1 not enough memory, 2 wrong use, 3 the network holds something unsupported, 4 a bad "
      "file,\n"
      "5 a training diverged or did not converge, 130 Ctrl-C, 143 SIGTERM.\n"
      "Each verb has --help with examples.");
  add_verbs(app);
  catch_interruptions();
  try {
    app.parse(argc, argv);
    if (app.get_subcommands().empty()) return complain("which verb? See unrect --help", 2);
    if (std::fflush(stdout) != 0) return complain("standard output: cannot write", 4);
  } catch (const CLI::Success& done) {
    return app.exit(done);
  } catch (const CLI::ParseError& error) {
    return complain(error.what(), 2);
  } catch (const Error& error) {
    return complain(error.what(), exit_status(error.code()));
  } catch (const Unconverged& error) {
    return complain(error.what(), 5);
  } catch (const std::system_error& error) {
    return complain((std::string("standard output: ") + error.what()).c_str(), 4);
  } catch (const std::bad_alloc&) {
    return complain("not enough memory", 1);
  } catch (const std::exception& error) {
    return complain(error.what(), 1);
  }
  return 0;
}

}  // namespace unrect::cli
