// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <stdexcept>

#include "tests/unit/store/child.h"

namespace steppe::test {

Child::Child(const std::string& role, const std::string& directory) {
  int in[2], out[2];
  if (pipe2(in, O_CLOEXEC) != 0 || pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error("no pipe");
  pid_ = fork();
  if (pid_ < 0) throw std::runtime_error("no process");
  if (pid_ == 0) {
    dup2(in[0], STDIN_FILENO);
    dup2(out[1], STDOUT_FILENO);
    execl("/proc/self/exe", "test_store", role.c_str(), directory.c_str(), nullptr);
    _exit(127);
  }
  close(in[0]);
  close(out[1]);
  in_ = in[1];
  out_ = out[0];
}

Child::~Child() {
  kill();
  close(out_);
}

std::string Child::line() {
  std::string line;
  for (char c; read(out_, &c, 1) == 1 && c != '\n';) line += c;
  return line;
}

void Child::kill() {
  if (pid_ > 0) ::kill(pid_, SIGKILL);
  wait();
}

void Child::finish() {
  close(in_);
  in_ = -1;
  wait();
}

void Child::wait() {
  if (pid_ > 0) waitpid(pid_, nullptr, 0);
  pid_ = -1;
  if (in_ >= 0) close(in_);
  in_ = -1;
}

}  // namespace steppe::test

int main(int argc, char** argv) {
  if (argc == 3 && std::string(argv[1]) == "holder") return steppe::test::run_holder(argv[2]);
  if (argc == 3 && std::string(argv[1]) == "writer") return steppe::test::run_writer(argv[2]);
  testing::InitGoogleTest(&argc, argv);
  return RUN_ALL_TESTS();
}
