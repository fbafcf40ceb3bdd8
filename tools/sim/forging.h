// SPDX-License-Identifier: Apache-2.0
// What interception boxes make of a host's leaf: METHOD 2's relations, each a parameter of the
// profile.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "tools/sim/bounded_cache.h"
#include "tools/sim/issuing.h"

namespace steppe::sim {

// Used by one thread at a time.
class Forger {
 public:
  Forger(const Layout& layout, Keys& keys);

  // See Authority.
  Chain forge(const ForgingProfile& profile, const Host& host, const Chain& origin,
              std::string_view server_name);
  Key leaf_key(const ForgingProfile& profile, const Host& host);
  const Issuer& signer(const ForgingProfile& profile);

 private:
  struct Authorities {
    Issuer root;
    std::optional<Issuer> intermediate;
    const Issuer& signer() const { return intermediate ? *intermediate : root; }
  };

  const Authorities& authorities(const ForgingProfile& profile);
  Issuer make_authority(const ForgingProfile::Authority& authority, const Issuer* issuer);
  Key key(const ForgingProfile& profile, const Host& host, bool is_public);
  Certificate draft(const ForgingProfile& profile, const Host& host, X509* origin,
                    std::string_view server_name, const Issuer& signer);

  const Layout& layout_;
  Keys& keys_;
  std::vector<uint32_t> first_key_;  // by group: its hosts' keys in the pool
  std::map<std::string, Authorities> authorities_;
  BoundedCache<Chain> chains_;
};

}  // namespace steppe::sim
