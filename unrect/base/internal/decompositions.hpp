// Eigen, with its decompositions compiled once for all rooms (decompositions.cpp): each costs half a minute in every
// file that asks for it. The rooms' precompiled header; nobody includes it by name.
#pragma once

#include <Eigen/Dense>

#include "unrect/base/types.hpp"

#define UNRECT_DECOMPOSITIONS(prefix)                                                                     \
  prefix template class Eigen::BDCSVD<Eigen::MatrixXd>;                                                   \
  prefix template class Eigen::ColPivHouseholderQR<Eigen::MatrixXd>;                                      \
  prefix template class Eigen::HouseholderQR<Eigen::MatrixXd>;                                            \
  prefix template Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>&                                         \
  Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>::compute(const Eigen::EigenBase<Eigen::MatrixXd>&, int); \
  prefix template Eigen::SelfAdjointEigenSolver<unrect::Matrix>&                                          \
  Eigen::SelfAdjointEigenSolver<unrect::Matrix>::compute(const Eigen::EigenBase<unrect::Matrix>&, int);   \
  prefix template Eigen::LLT<Eigen::MatrixXd>& Eigen::LLT<Eigen::MatrixXd>::compute(                      \
      const Eigen::EigenBase<Eigen::MatrixXd>&);                                                          \
  prefix template Eigen::LLT<unrect::Matrix>& Eigen::LLT<unrect::Matrix>::compute(                        \
      const Eigen::EigenBase<unrect::Matrix>&)

UNRECT_DECOMPOSITIONS(extern);
