// How large and how smooth the loss gradient can be (HH eqs. 13–17, maths 1.7).
#pragma once

#include <vector>

#include "unrect/region/factors.hpp"

namespace unrect {

/// Exact quantities and bounds for one layer's weights at one sample, where f = ℓ(M(x)) and g = ∇ℓ at the output. All
/// are at least what they stand for, of the factors as given: every rounding is paid for, upwards. For slopes other
/// than 0 and 1, √s_l is ‖d_l‖ and every layer's factor carries its steepest slope. J_l = W_L D_{L−1} … W_{l+1} D_l
/// (J_L = I), δ_l = J_lᵀ g, ∂f/∂W_l = δ_l a_{l−1}ᵀ, ∂f/∂b_l = δ_l.
struct LayerGradient {
  double largest_entry = 0;  // max |∂f/∂W_l|
  double largest_entry_bound =
      0;  // max_p c_p ‖g‖₂ Π_{k=l+1}^{L−1} (α_k s_k) max_j |a_{l−1,j}|; for l = L without the product
  double frobenius = 0;         // ‖∂f/∂W_l‖_F = ‖δ_l‖ ‖a_{l−1}‖
  double frobenius_bound = 0;   // ‖g‖ jacobian_bound ‖a_{l−1}‖
  double jacobian = 0;          // ‖J_l‖₂
  double jacobian_bound = 0;    // min(√s_l Π_{k>l} α_k s_k max c, Π_{k>l} ‖W_k‖₂)
  double activation = 0;        // ‖a_{l−1}‖₂
  double activation_bound = 0;  // β^{l−1} ‖x‖ + Σ_{k<l} β^{l−1−k} ‖b_k‖
  double smoothness =
      0;  // λ ‖J_l‖² ‖a_{l−1}‖² : ‖∇f(W) − ∇f(W')‖_F ≤ smoothness ‖W − W'‖_F in W_l alone, on one configuration
};

/// One entry a layer, l = 1 … L. `lambda`: Lipschitz constant of ∇ℓ (1 for ½‖·‖², ½ for softmax cross-entropy).
/// α_k here is max |entry of W_k|, without the normalisation of the path bounds. @throws Error kInvalidArgument for
/// sizes.
std::vector<LayerGradient> gradient_bounds(const Factors& factors, const VectorRef& x, const VectorRef& output_gradient,
                                           double lambda = 1);

/// ∂f/∂W_l = δ_l a_{l−1}ᵀ, l = 1 … L.
std::vector<Matrix> weight_gradients(const Factors& factors, const VectorRef& x, const VectorRef& output_gradient);

/// λ ‖A_d‖²: how smooth f is in the input on one region.
double input_smoothness(const Factors& factors, double lambda = 1);

}  // namespace unrect
