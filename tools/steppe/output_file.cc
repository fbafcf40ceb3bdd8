// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/output_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <stdexcept>

#include "engine/plan/operator_error.h"

namespace steppe {

namespace {

std::string folder_of(const std::string& path) {
  const std::string folder = std::filesystem::path(path).parent_path().string();
  return folder.empty() ? "." : folder;
}

}  // namespace

void check_writable(std::string_view flag, const std::string& path) {
  if (path.empty() || path == "-") return;
  const std::string where = std::string(flag) + " " + path + ": ";
  struct stat status;
  if (stat(path.c_str(), &status) == 0) {
    if (S_ISDIR(status.st_mode)) throw OperatorError(where + "is a directory: name a file in it");
    if (access(path.c_str(), W_OK) != 0)
      throw OperatorError(where + "may not be written: name another file");
    if (!S_ISREG(status.st_mode)) return;
  }
  const std::string folder = folder_of(path);
  if (access(folder.c_str(), W_OK | X_OK) != 0)
    throw OperatorError(where + "cannot write into " + folder + " (" + std::strerror(errno) +
                        "): name a file in a directory that is there");
}

OutputFile::OutputFile(const std::string& path) : path_(path) {
  if (path.empty() || path == "-") {
    file_ = stdout;
    return;
  }
  struct stat status;
  const bool in_place = stat(path.c_str(), &status) == 0 && !S_ISREG(status.st_mode);
  if (!in_place) temporary_ = path + "." + std::to_string(getpid()) + ".part";
  file_ = std::fopen(in_place ? path.c_str() : temporary_.c_str(), "we");
  if (file_ == nullptr) throw OperatorError("cannot write " + path + ": " + std::strerror(errno));
}

OutputFile::~OutputFile() {
  if (file_ != nullptr && file_ != stdout) std::fclose(file_);
  if (!temporary_.empty()) unlink(temporary_.c_str());
}

bool OutputFile::failed() {
  if (errno == EPIPE) return false;
  throw std::runtime_error("cannot write " + (file_ == stdout ? "to stdout" : path_) + ": " +
                           std::strerror(errno));
}

bool OutputFile::write(std::string_view bytes) {
  return std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size() || failed();
}

bool OutputFile::flush() {
  return std::fflush(file_) == 0 || failed();
}

bool OutputFile::commit() {
  if (!flush()) return false;
  if (temporary_.empty()) return true;
  // The rename must not reach the disk before the bytes do.
  if (fsync(fileno(file_)) != 0 || std::rename(temporary_.c_str(), path_.c_str()) != 0)
    return failed();
  temporary_.clear();
  return true;
}

}  // namespace steppe
