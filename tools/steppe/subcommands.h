// SPDX-License-Identifier: Apache-2.0
// The subcommands. Each takes its own arguments, argv[0] being its name, and returns the exit code:
// 0 done, 1 something broke, 130 stopped by the operator. An operator's mistake is an OperatorError
// (2).
#pragma once

namespace steppe {

int run_scan(int argc, const char* const* argv);
int run_trace(int argc, const char* const* argv);
int run_export(int argc, const char* const* argv);
int run_query(int argc, const char* const* argv);
int run_fingerprint(int argc, const char* const* argv);
int run_bench(int argc, const char* const* argv);
int run_sim(int argc, const char* const* argv);

}  // namespace steppe
