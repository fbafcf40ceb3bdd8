// SPDX-License-Identifier: Apache-2.0
// What several of this folder's tests need.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "engine/plan/operator_error.h"

namespace steppe {

// A text file that is gone with the test.
class TemporaryFile {
 public:
  explicit TemporaryFile(const std::string& content) {
    const int descriptor = mkstemp(path_.data());
    EXPECT_GE(descriptor, 0);
    close(descriptor);
    std::ofstream(path_) << content;
  }
  ~TemporaryFile() { std::remove(path_.c_str()); }
  TemporaryFile(const TemporaryFile&) = delete;
  TemporaryFile& operator=(const TemporaryFile&) = delete;
  const std::string& path() const { return path_; }

 private:
  std::string path_ = testing::TempDir() + "steppe_plan_XXXXXX";
};

// The OperatorError that `action` throws, which must be one line; "" if it throws none.
std::string operator_error(auto action) {
  try {
    action();
  } catch (const OperatorError& error) {
    const std::string text = error.what();
    EXPECT_EQ(text.find('\n'), text.npos) << text;
    return text;
  }
  return "";
}

}  // namespace steppe
