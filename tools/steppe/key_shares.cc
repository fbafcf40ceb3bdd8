// SPDX-License-Identifier: Apache-2.0
#include "tools/steppe/key_shares.h"

#include "engine/judge/key_shares.h"

namespace steppe {

std::vector<KeyShare> stand_in_key_shares() {
  static const KeyShares keys{{}};
  return {keys.shares().begin(), keys.shares().end()};
}

}  // namespace steppe
