// unrect signal frame: bounds, condition and dual.
#include <fmt/format.h>

#include <limits>
#include <nlohmann/json.hpp>

#include "cli.hpp"
#include "unrect/base/array.hpp"
#include "unrect/base/error.hpp"
#include "unrect/region/configuration.hpp"
#include "unrect/signal/frame.hpp"
#include "unrect/signal/wavelet.hpp"

namespace unrect::cli {
namespace {

constexpr Index kMostEntries = Index{1} << 22;  // of a frame that is decomposed

struct Command {
  std::string kind = "gabor", at;
  std::filesystem::path network, matrix, out;
  Index length = 256, hop = 16, channels = 64, window = 0;  // gabor
  Index side = 64, levels = 3, taps = 8;                    // wavelet
  Index vectors = 128, dimension = 64;                      // random
  Index layer = 0;                                          // network
  std::uint64_t seed = Context{}.seed;
  bool json = false;

  struct Result {
    std::string what;
    Index vectors = 0, dimension = 0;
    FrameBounds bounds{};
    double error = std::numeric_limits<double>::quiet_NaN();  // ‖Σ⟨x, f̃_i⟩ f_i − x‖ / ‖x‖
    Matrix dual{};                                            // empty: the frame itself, scaled
  };

  void check(const CLI::App& verb) const;
  void run() const;
  Result frame() const;
  Result gabor() const;
  Result wavelet() const;
  Result active_rows() const;
  Result dense(const std::string& what, const MatrixRef& frame) const;
};

Command::Result Command::dense(const std::string& what, const MatrixRef& frame) const {
  UNRECT_REQUIRE(frame.size() > 0 && frame.rows() <= kMostEntries / frame.cols(), ErrorCode::kInvalidArgument,
                 "{}: {} vectors in R^{}, expected 1 to {} numbers", what, frame.rows(), frame.cols(), kMostEntries);
  UNRECT_REQUIRE(frame.allFinite(), ErrorCode::kInvalidArgument, "{}: a number is not finite", what);
  const LayerFrame layered = layer_frame(frame, std::vector<bool>(static_cast<std::size_t>(frame.rows()), true));
  Result result{.what = what, .vectors = frame.rows(), .dimension = frame.cols(), .bounds = layered.bounds};
  if (!layered.invertible) {
    result.bounds.lower = 0;  // to rounding
    return result;
  }
  result.dual = layered.inverse.transpose();
  const Vector x = Rng(seed).split(1).normal_vector(frame.cols());
  result.error = (layered.inverse * (frame * x) - x).norm() / x.norm();
  return result;
}

Command::Result Command::gabor() const {
  UNRECT_REQUIRE(length >= 1 && length <= (Index{1} << 20) && hop >= 1 && hop <= length && channels >= 1 &&
                     channels <= length && length / hop <= (Index{1} << 24) / channels,
                 ErrorCode::kInvalidArgument,
                 "Gabor frame of length {}, hop {}, {} channels: expected hop and channels of 1 to the length, at most "
                 "2^20, and at most 2^24 coefficients",
                 length, hop, channels);
  UNRECT_REQUIRE(window >= 0 && window <= channels, ErrorCode::kInvalidArgument,
                 "--window {}, expected 1 to --channels {}", window, channels);
  const Gabor g{length, hop, channels, hann_window(window == 0 ? channels : window)};
  const LinearOperator frame = gabor_frame(g);
  const Gabor dual = gabor_dual(g);
  const Vector weights = gabor_weights(g);  // the diagonal of S: its eigenvalues
  const Vector x = Rng(seed).split(1).normal_vector(length);
  Result result{.what = "gabor", .vectors = frame.rows(), .dimension = length};
  result.bounds = {weights.minCoeff(), weights.maxCoeff(), 0};
  result.error = (frame.adjoint(gabor_frame(dual).apply(x)) - x).norm() / x.norm();
  result.dual = dual.window.transpose();
  return result;
}

Command::Result Command::wavelet() const {
  UNRECT_REQUIRE(side >= 2 && side <= 1024, ErrorCode::kInvalidArgument, "--side {}, expected 2 to 1024", side);
  const LinearOperator frame = undecimated_wavelet(side, side, static_cast<Wavelet>(taps), levels);
  const Vector x = Rng(seed).split(1).normal_vector(side * side);
  Result result{.what = "wavelet", .vectors = frame.rows(), .dimension = frame.cols()};
  result.bounds = frame_bounds(frame, Rng(seed), 60);
  result.error = (reconstruct(frame, frame.apply(x)) - x).norm() / x.norm();
  return result;
}

Command::Result Command::active_rows() const {
  const Network net = read_network(network);
  UNRECT_REQUIRE(!at.empty(), ErrorCode::kInvalidArgument, "active at which input? Expected --at \"v1,v2,…\" or x.npy");
  UNRECT_REQUIRE(layer >= 0 && layer < static_cast<Index>(net.layers().size()), ErrorCode::kInvalidArgument,
                 "--layer {}: {} has {} layers, counted from 0", layer, network.string(), net.layers().size());
  const auto number = static_cast<std::size_t>(layer);
  const Node& units = net.node(net.layers()[number]);
  const auto* piecewise = std::get_if<Piecewise>(units.op.get());
  const auto* weights = std::get_if<Dense>(net.node(units.inputs[0]).op.get());
  UNRECT_REQUIRE(piecewise != nullptr && piecewise->is_relu() && weights != nullptr, ErrorCode::kUnsupported,
                 "layer {} of {} is {} after {}, expected Relu after Dense", layer, network.string(),
                 name_of(*units.op), name_of(*net.node(units.inputs[0]).op));
  const std::vector<std::uint16_t> pieces = trace(net, parse_vector(at, "--at")).configuration.layers[number];
  std::vector<Index> active;
  for (std::size_t i = 0; i < pieces.size(); ++i) {
    if (pieces[i] == 1) active.push_back(static_cast<Index>(i));
  }
  const std::string what = fmt::format("layer {}: {} of {} units active", layer, active.size(), pieces.size());
  if (active.empty()) return {.what = what, .dimension = weights->weight.cols()};
  return dense(what, weights->weight(active, Eigen::all));
}

Command::Result Command::frame() const {
  if (!network.empty()) return active_rows();
  if (!matrix.empty()) return dense(matrix.filename().string(), read_npy(matrix).to_matrix(matrix.string()));
  if (kind == "gabor") return gabor();
  if (kind == "wavelet") return wavelet();
  UNRECT_REQUIRE(vectors >= 1 && dimension >= 1 && vectors <= kMostEntries / dimension, ErrorCode::kInvalidArgument,
                 "--vectors {} --dimension {}, expected 1 to {} numbers", vectors, dimension, kMostEntries);
  return dense("random", random_frame(vectors, dimension, Rng(seed)));
}

// What would be read and not used.
void Command::check(const CLI::App& verb) const {
  const bool made = network.empty() && matrix.empty();
  std::vector<Use> uses{{"--matrix", network.empty(), "no NETWORK, whose rows are vectors, too"},
                        {"--kind", made, "no NETWORK and no --matrix, which are frames themselves"}};
  for (const char* const option : {"--layer", "--at"}) uses.push_back({option, !network.empty(), "NETWORK"});
  const auto of_kind = [&](const char* name, std::initializer_list<const char*> options) {
    for (const char* const option : options)
      uses.push_back({option, made && kind == name, fmt::format("--kind {}", name)});
  };
  of_kind("gabor", {"--length", "--hop", "--channels", "--window"});
  of_kind("wavelet", {"--side", "--levels", "--taps"});
  of_kind("random", {"--vectors", "--dimension"});
  require_used(verb, uses);
}

void Command::run() const {
  require_place(out, {".npy"}, "--out");
  const Result r = frame();
  if (!out.empty()) {
    UNRECT_REQUIRE(r.dual.size() > 0, ErrorCode::kInvalidArgument, "--out {}: {}", out.string(),
                   r.bounds.lower > 0 ? "a tight frame is its own dual" : "the vectors do not span, there is no dual");
    write_npy(out, Array::from(r.dual));
  }
  const double condition =
      r.bounds.lower > 0 ? r.bounds.upper / r.bounds.lower : std::numeric_limits<double>::infinity();
  const bool tight = r.bounds.lower > 0 && r.bounds.tight();
  if (json) {
    fmt::print("{}\n",
               nlohmann::ordered_json{{"frame", r.what},
                                      {"vectors", r.vectors},
                                      {"dimension", r.dimension},
                                      {"redundancy", static_cast<double>(r.vectors) / static_cast<double>(r.dimension)},
                                      {"lower", r.bounds.lower},
                                      {"upper", r.bounds.upper},
                                      {"bounds_error", r.bounds.error},
                                      {"condition", condition},
                                      {"spans", r.bounds.lower > 0},
                                      {"tight", tight},
                                      {"reconstruction_error", r.error}}
                   .dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    return;
  }
  fmt::print("{}: {} vectors in R^{}, {:.3g} times as many\n", r.what, r.vectors, r.dimension,
             static_cast<double>(r.vectors) / static_cast<double>(r.dimension));
  if (!(r.bounds.lower > 0)) {
    fmt::print("no frame: the vectors do not span, B = {:.6g}\n", r.bounds.upper);
    return;
  }
  fmt::print("A = {:.6g}, B = {:.6g}, B/A = {:.6g}{}\nreconstruction by the dual: relative error {:.1e}\n",
             r.bounds.lower, r.bounds.upper, condition, tight ? ": tight" : "", r.error);
}

}  // namespace

void add_signal_frame(CLI::App& signal) {
  auto command = std::make_shared<Command>();
  CLI::App* verb = signal.add_subcommand("frame", "Bounds, condition and dual of a frame");
  verb->add_option("NETWORK", command->network, "the active rows of a ReLU layer instead of --kind");
  verb->add_option("--layer", command->layer, "NETWORK: which layer, counted from 0")->capture_default_str();
  verb->add_option("--at,--point", command->at, "NETWORK: the input, \"v1,v2,…\" or an .npy file");
  verb->add_option("--kind", command->kind, "gabor, wavelet (undecimated, of images), random (unit vectors)")
      ->capture_default_str()
      ->check(CLI::IsMember({"gabor", "wavelet", "random"}));
  verb->add_option("--matrix", command->matrix, "vectors given as rows, .npy, instead of --kind");
  verb->add_option("--length", command->length, "gabor: samples of the signal")->capture_default_str();
  verb->add_option("--hop", command->hop, "gabor: samples from window to window")->capture_default_str();
  verb->add_option("--channels", command->channels, "gabor: frequencies of a window")->capture_default_str();
  verb->add_option("--window", command->window, "gabor: samples of the window, Hann's (default: --channels)");
  verb->add_option("--side", command->side, "wavelet: side of the image")->capture_default_str();
  verb->add_option("--levels", command->levels, "wavelet: levels")->capture_default_str();
  verb->add_option("--taps", command->taps, "wavelet: taps of Daubechies' filter, 2 (Haar), 4, 6 or 8")
      ->capture_default_str()
      ->check(CLI::IsMember({2, 4, 6, 8}));
  verb->add_option("--vectors", command->vectors, "random: how many")->capture_default_str();
  verb->add_option("--dimension", command->dimension, "random: their size")->capture_default_str();
  add_seed(*verb, command->seed, "seed of what is random");
  verb->add_option("--out", command->out, "write the canonical dual, .npy: a vector a row, or gabor's dual window");
  verb->add_flag("--json", command->json, "print one JSON object");
  verb->footer(
      "A ‖x‖² ≤ Σ⟨x, f_i⟩² ≤ B ‖x‖²; tight where A = B. A layer's active rows are a frame if and only if the layer "
      "can\n"
      "be inverted where they are active; the dual is that inverse, transposed.\n"
      "Examples:\n"
      "  unrect signal frame --kind gabor --length 256 --hop 16 --channels 64\n"
      "  unrect signal frame net.onnx --layer 0 --at \"0.1,0.2\" --out dual.npy");
  verb->callback([command, verb] {
    command->check(*verb);
    command->run();
  });
}

}  // namespace unrect::cli
