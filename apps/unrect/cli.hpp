// What the verbs of the command line share.
#pragma once

#include <CLI/CLI.hpp>
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <vector>

#include "unrect/base/context.hpp"
#include "unrect/base/error.hpp"
#include "unrect/base/options.hpp"
#include "unrect/forms/domain.hpp"
#include "unrect/network/network_file.hpp"
#include "unrect/partition/explore.hpp"
#include "unrect/polytope/halfspaces.hpp"
#include "unrect/train/train.hpp"

namespace unrect::cli {

/// A training that diverged, or did not find what it promises: exit status 5.
class Unconverged : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// Parses the command line, runs its verb; trouble becomes one line on stderr. The exit status.
int run_app(int argc, char** argv, const std::function<void(CLI::App&)>& add_verbs);

using Explore = std::function<void(const Refinement&, Exploration&, const ExploreOptions&, const Context&)>;

// One a verb, in cmd_<verb>.cpp.
void add_info(CLI::App& app);
void add_inspect(CLI::App& app);
void add_convert(CLI::App& app);
void add_random(CLI::App& app);
/// `explore` does the work: on this process's threads, or on many ranks.
void add_regions(CLI::App& app, Explore explore = unrect::explore);
void add_train(CLI::App& app, Ranks ranks = {});
void add_signal(CLI::App& app);
void add_signal_frame(CLI::App& signal);
void add_signal_lista(CLI::App& signal);
void add_sense(CLI::App& app);
void add_export(CLI::App& app);
void add_recover(CLI::App& app);
void add_verify(CLI::App& app);
void add_check(CLI::App& app);
void add_optimize(CLI::App& app);
void add_radius(CLI::App& app);
void add_lipschitz(CLI::App& app);
void add_bench(CLI::App& app);
void add_bench_recovery(CLI::App& bench);

/// The options with which every verb that reads a network reads it.
struct NetworkOptions {
  std::filesystem::path file;
  ImportOptions import;

  void add_to(CLI::App& verb, const std::string& name = "NETWORK");
  Network read() const { return read_network(file, import); }
  /// As its file has it: without folding, which would round products, and so for proofs.
  Network read_as_it_stands() const;
};

/// What `work` returns; its errors with `name` before them. @throws Error.
template <class Work>
auto naming(const std::string& name, const Work& work) {
  try {
    return work();
  } catch (const Error& error) {
    throw Error(error.code(), name + ": " + error.what());
  }
}

/// "0.1,0.2" or the name of an .npy file. @throws Error naming the entry that is not a finite number.
Vector parse_vector(const std::string& text, const std::string& what);

/// Item NUMBER of an IDX file, "FILE:NUMBER", divided by 255 unless `raw`. @throws Error.
Vector read_sample(const std::string& text, bool raw);

/// "LO,HI" for all inputs, or "LO1,HI1,LO2,HI2,…". @throws Error unless there are `inputs` intervals.
Box parse_box(const std::string& text, Index inputs);

/// The inputs of a property file; of its input sets the one of that number, which only one set lets be −1.
/// @throws Error naming the file.
Domain property_domain(const std::filesystem::path& file, Index input_set, const Network& network);

/// Whether `file` (empty: none) can be written, asked before a long computation so that it is not lost.
/// @throws Error kInvalidArgument, naming the option, for another extension, kFile unless its folder can be written.
void require_place(const std::filesystem::path& file, const std::set<std::string>& extensions,
                   const std::string& option);

/// An option that only counts where something else is asked for: "--keep" beside "--out FOLDER".
struct Use {
  const char* option;
  bool used;
  std::string beside;
};
/// @throws Error kInvalidArgument naming both for the first of `uses` that was given and is not used.
void require_used(const CLI::App& verb, const std::vector<Use>& uses);

/// Numbers in a range, read as T, so that they are judged as they are used: whole, and to the last digit. (CLI11's own
/// let NaN through, and write bounds in six or 309 digits.)
template <class T>
CLI::Validator in_range(const OptionRange& range) {
  const std::string expected = range.text(std::integral<T>);
  const auto check = [=](const std::string& text) {
    T value{};
    const bool read = !text.empty() && text[0] != '+' && CLI::detail::lexical_cast(text, value);
    return read && range.holds(value) ? std::string() : text + ", expected " + expected;
  };
  return CLI::Validator(check, expected);
}
CLI::Validator within(double low, double high);
CLI::Validator not_negative();
CLI::Validator positive();

/// The number that a field, an optional one or a list of them holds; void for others.
template <class T>
struct NumberOf {
  using type = std::conditional_t<is_option_number<T>, T, void>;
};
template <class T>
struct NumberOf<std::optional<T>> : NumberOf<T> {};
template <class T>
struct NumberOf<std::vector<T>> : NumberOf<T> {};

/// What --help says of a field: with what stands where it is left out, if that is not its value.
std::string help_of(const Option& option);

/// A flag for `field`, one of those of `options`: help, range and default are what the struct says of it.
template <class Options, class T>
CLI::Option* add_field(CLI::App& verb, const std::string& flag, Options& options, T& field) {
  const Option about = option_of(options, field);
  if constexpr (std::is_same_v<T, bool>) {
    return verb.add_flag(flag, field, help_of(about));
  } else {
    CLI::Option* const made = verb.add_option(flag, field, help_of(about));
    if (about.otherwise.empty()) made->default_str(option_text(field));
    if constexpr (requires { field.push_back(field[0]); } && !std::is_same_v<T, std::string>) made->delimiter(',');
    using Number = typename NumberOf<T>::type;
    if constexpr (!std::is_void_v<Number>) made->check(in_range<Number>(about.range));
    return made;
  }
}
/// For one of an enumeration: `named` is its value of that name.
template <class Options, class Enum, class Named>
CLI::Option* add_field(CLI::App& verb, const std::string& flag, Options& options, Enum& field, const Named& named) {
  return verb
      .add_option_function<std::string>(
          flag, [&field, named](const std::string& name) { field = named(name); }, help_of(option_of(options, field)))
      ->default_str(option_text(field));
}

/// --threads.
CLI::Option* add_threads(CLI::App& verb, Context& context);

/// --seed: 0 … 2⁵³, what files keep as it is.
CLI::Option* add_seed(CLI::App& verb, std::uint64_t& seed, const std::string& what);

/// "17" for one, "3×32×32" for a tensor.
std::string shape_text(const Shape& shape);

}  // namespace unrect::cli
