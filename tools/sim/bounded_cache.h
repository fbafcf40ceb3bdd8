// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <deque>
#include <string>
#include <unordered_map>
#include <utility>

namespace steppe::sim {

// Keeps the latest `limit` values; whoever was put in first leaves first. Not thread-safe.
template <class Value>
class BoundedCache {
 public:
  explicit BoundedCache(size_t limit) : limit_(limit) {}

  // nullptr: not there. Valid until the next put().
  const Value* find(const std::string& key) const {
    const auto at = values_.find(key);
    return at == values_.end() ? nullptr : &at->second;
  }
  // REQUIRES that the key is not there.
  const Value& put(const std::string& key, Value value) {
    if (order_.size() == limit_) {
      values_.erase(order_.front());
      order_.pop_front();
    }
    order_.push_back(key);
    return values_.emplace(key, std::move(value)).first->second;
  }

 private:
  size_t limit_;
  std::deque<std::string> order_;
  std::unordered_map<std::string, Value> values_;
};

}  // namespace steppe::sim
