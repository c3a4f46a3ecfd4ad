// What tests of an exploration share.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <string>

#include "unrect/base/context.hpp"
#include "unrect/base/error.hpp"
#include "unrect/forms/internal/cube_for_tests.hpp"
#include "unrect/network/random_network.hpp"

namespace unrect {

inline Network medium(std::uint64_t seed = 3) { return random_chain({3, 16, 16, 2}, Rng(seed)); }

inline Context threads(int count) {
  Context context;
  context.threads = count;
  return context;
}

inline std::filesystem::path scratch(const std::string& name) {
  return std::filesystem::path(testing::TempDir()) / fmt::format("unrect_explore_test_{}_{}", ::getpid(), name);
}

/// The error that an action ends with; its message is one line.
inline ErrorCode error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const Error& error) {
    const std::string message = error.what();
    EXPECT_FALSE(message.empty());
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    return error.code();
  }
  ADD_FAILURE() << "no error";
  return ErrorCode::kCancelled;
}

}  // namespace unrect
