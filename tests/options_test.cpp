// What the structs of options say of themselves, all of them: their defaults are in range, a field out of its range is
// named, and docs/options.md is what they say.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <set>
#include <sstream>

#include "unrect/unrect.hpp"

namespace unrect {
namespace {

// Calls visitor.of<Struct>(its name, its header, what it is for).
template <class Visitor>
void each_struct(Visitor&& visitor) {
  visitor.template of<ImportOptions>("ImportOptions", "network/network_file.hpp", "how a network is read");
  visitor.template of<ExploreOptions>("ExploreOptions", "partition/explore.hpp", "all regions of a domain");
  visitor.template of<Columns>("Columns", "partition/partition.hpp", "what is kept of a region besides its pieces");
  visitor.template of<LipschitzOptions>("LipschitzOptions", "bounds/lipschitz_constant.hpp", "how steep at most?");
  visitor.template of<VerifyOptions>("VerifyOptions", "verify/verify.hpp", "does a requirement hold?");
  visitor.template of<OptimizeOptions>("OptimizeOptions", "verify/optimize.hpp", "how large can a sum of outputs be?");
  visitor.template of<RadiusOptions>("RadiusOptions", "verify/radius.hpp", "how far is the next class?");
  visitor.template of<FacetOptions>("FacetOptions", "polytope/facets.hpp", "the facets of a cell");
  visitor.template of<RegionFacetOptions>("RegionFacetOptions", "region/boundary.hpp", "the facets of a region");
  visitor.template of<ExplicitAlOptions>("ExplicitAlOptions", "lifted/explicit_al.hpp", "TH's method");
  visitor.template of<TrainOptions>("TrainOptions", "train/train.hpp", "a training");
  visitor.template of<DataRequest>("DataRequest", "recipes/training_data.hpp", "what is trained on");
  visitor.template of<RecipeOptions>("RecipeOptions", "recipes/recipe.hpp",
                                     "which defaults of the task's recipe are replaced");
  visitor.template of<OmpOptions>("OmpOptions", "signal/greedy.hpp", "orthogonal matching pursuit");
  visitor.template of<IhtOptions>("IhtOptions", "signal/greedy.hpp", "iterative hard thresholding");
  visitor.template of<LassoOptions>("LassoOptions", "signal/lasso.hpp", "codes by the ℓ1 norm");
  visitor.template of<AdmmOptions>("AdmmOptions", "signal/basis_pursuit.hpp", "basis pursuit");
  visitor.template of<PhaseOptions>("PhaseOptions", "signal/phase_retrieval.hpp", "a signal from sizes alone");
  visitor.template of<KsvdOptions>("KsvdOptions", "signal/dictionary.hpp", "a dictionary from samples");
  visitor.template of<TvOptions>("TvOptions", "signal/recovery.hpp", "an image by its total variation");
  visitor.template of<ThresholdOptions>("ThresholdOptions", "signal/recovery.hpp", "an image by thresholds");
  visitor.template of<DecoderOptions>("DecoderOptions", "sensing/decoders.hpp", "a decoder of measurements");
  visitor.template of<Deformation>("Deformation", "sensing/deformation.hpp", "how far pictures are bent");
  visitor.template of<FigureOptions>("FigureOptions", "view/figure.hpp", "a picture of the plane");
  visitor.template of<BarChartOptions>("BarChartOptions", "view/bar_chart.hpp", "quantities side by side");
}

// Sets the field of that number to a value and returns what validate() says of the struct, "" if nothing.
template <class Options, class T>
std::string complaint_with(int number, T value) {
  Options options;
  int at = 0;
  Options::visit(options, [&](auto& field, const Option&) {
    if constexpr (std::is_same_v<std::remove_cvref_t<decltype(field)>, T>)
      if (at == number) field = value;
    ++at;
  });
  try {
    validate(options);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

struct Ranges {
  template <class Options>
  void of(const char* name, const char*, const char*) {
    SCOPED_TRACE(name);
    EXPECT_NO_THROW(validate(Options{}));
    std::set<std::string_view> names;
    int number = 0;
    const Options defaults;
    Options::visit(defaults, [&](const auto& value, const Option& option) {
      using T = std::remove_cvref_t<decltype(value)>;
      SCOPED_TRACE(option.name);
      EXPECT_TRUE(names.insert(option.name).second);
      EXPECT_FALSE(option.help.empty());
      if constexpr (is_option_number<T>) {
        const std::string named = fmt::format("{} is ", option.name);
        const OptionRange& range = option.range;
        const auto refused = [&](T out) {
          EXPECT_TRUE((complaint_with<Options, T>(number, out).starts_with(named))) << out;
        };
        const auto taken = [&](T in) { EXPECT_EQ((complaint_with<Options, T>(number, in)), "") << in; };
        const auto beyond = [](double end, double way) {
          return static_cast<T>(std::integral<T> ? end + way : std::nextafter(end, HUGE_VAL * way));
        };
        if constexpr (std::floating_point<T>) {
          for (const double bad : {std::nan(""), HUGE_VAL, -HUGE_VAL}) refused(bad);
        }
        if (std::isfinite(range.low)) {
          if (!std::is_unsigned_v<T> || range.low > 0) {
            if (!(range.or_zero && beyond(range.low, -1) == 0)) refused(beyond(range.low, -1));
          }
          range.open_low ? refused(static_cast<T>(range.low)) : taken(static_cast<T>(range.low));
        }
        if (std::isfinite(range.high)) {
          if (range.high < static_cast<double>(std::numeric_limits<T>::max())) refused(beyond(range.high, 1));
          range.open_high ? refused(static_cast<T>(range.high)) : taken(static_cast<T>(range.high));
        }
        if (range.or_zero) taken(0);
      }
      ++number;
    });
  }
};

TEST(Options, DefaultsAreInRangeAndWhatIsNotIsNamed) { each_struct(Ranges{}); }

template <class T>
std::string values_of(const OptionRange& range) {
  if constexpr (std::is_same_v<T, bool>) {
    return "on, off";
  } else if constexpr (is_option_number<T>) {
    return range.text(std::integral<T>);
  } else if constexpr (requires(T value) { value.has_value(); }) {
    return values_of<typename T::value_type>(range);
  } else if constexpr (std::is_same_v<T, std::vector<Index>> || std::is_same_v<T, Vector>) {
    return values_of<typename T::value_type>(range) + " each";
  } else {
    return "";
  }
}

// A cell of a table, in which a bar would end it.
std::string cell(std::string_view text) {
  std::string result;
  for (const char c : text) result += c == '|' ? std::string("\\|") : std::string(1, c);
  return result;
}

struct Page {
  std::string text;

  template <class Options>
  void of(const char* name, const char* header, const char* purpose) {
    text += fmt::format("\n## `{}`: {}\n\n`unrect/{}`\n\n| field | default | values | meaning |\n|---|---|---|---|\n",
                        name, purpose, header);
    const Options defaults;
    Options::visit(defaults, [&](const auto& value, const Option& option) {
      const std::string usual = option.otherwise.empty() ? option_text(value) : std::string(option.otherwise);
      text += fmt::format("| `{}` | {} | {} | {} |\n", option.name, cell(usual.empty() ? "none" : usual),
                          cell(values_of<std::remove_cvref_t<decltype(value)>>(option.range)), cell(option.help));
    });
  }
};

// What a training has by default in some task, all numbers resolved.
std::string row(const char* name, const Situation& situation) {
  const UsualOptions usual = usual_options(situation);
  TrainOptions options;
  options.method = situation.method;
  options.rate = usual.rate;
  options.damping = usual.damping;
  options.lipschitz = situation.budget ? 1 : 0;
  return fmt::format("| {} | {} | {} | {} | {:.3g} | {} |\n", name, usual.batch, options.rate_of(situation.layers),
                     options.damping_of(), usual.trust, usual.decay);
}

std::string page() {
  Page page{
      "# Options\n\n"
      "This page is what the structs say of themselves (`visit`, in `base/options.hpp`); a test compares the two. The "
      "same words,\n"
      "ranges and defaults are in `unrect VERB --help`, and a value out of its range is refused by the same check. A "
      "command-line\n"
      "flag has its field's name, with hyphens, but for a few that `unrect VERB --help` names.\n\n"
      "## What a training has by default in which task\n\n"
      "`recipe_for`, and so `unrect train`, has these for `feasible-al`; 3 layers that learn unless said otherwise.\n"
      "Other methods have no trust region and no decay by default, and the rates of `TrainOptions` below.\n\n"
      "| task | batch | rate η | damping δ | trust κ | decay r |\n|---|---|---|---|---|---|\n"};
  using enum LearningTask;
  page.text += row("recovery", {.task = kRecovery, .layers = 3});
  page.text += row("recovery, bent anew every epoch", {.task = kRecovery, .renewed = true, .layers = 3});
  page.text += row("recovery, more than 3 layers", {.task = kRecovery, .layers = 4});
  page.text +=
      row("images, 900 steps", {.task = kRecovery, .images = true, .renewed = true, .layers = 24, .steps = 900});
  page.text +=
      row("images, 3,000 steps", {.task = kRecovery, .images = true, .renewed = true, .layers = 24, .steps = 3000});
  page.text += row("classify", {.task = kClassify, .layers = 3});
  page.text += row("classify, more than 3 layers", {.task = kClassify, .layers = 4});
  page.text += row("regress", {.task = kRegress, .layers = 3});
  page.text += row("regress, more than 3 layers", {.task = kRegress, .layers = 4});
  page.text += row("any, under a Lipschitz budget", {.task = kClassify, .budget = true, .layers = 3});
  each_struct(page);
  return page.text;
}

TEST(Options, ThePageIsWhatTheStructsSay) {
  std::stringstream held;
  held << std::ifstream(UNRECT_OPTIONS_PAGE).rdbuf();
  const std::string said = page();
  if (held.str() != said) std::ofstream("options.md") << said;
  EXPECT_TRUE(held.str() == said) << "docs/options.md is not what the structs say; options.md here is";
}

}  // namespace
}  // namespace unrect
