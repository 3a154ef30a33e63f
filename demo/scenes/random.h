// Random numbers that are the same with every standard library: the distributions of <random> are
// free to differ between implementations, the engine is not.
#pragma once

#include <cstdint>
#include <random>
#include <utility>
#include <vector>

namespace demo {

class Random {
 public:
  explicit Random(std::uint32_t seed) : engine_(seed) {}

  // An integer of [low, high], both included; low <= high. The remainder's bias is below 1e-6 here.
  int between(int low, int high) {
    const auto range = static_cast<std::uint32_t>(high - low) + 1;
    return low + static_cast<int>(engine_() % range);
  }

  bool one_in(int n) { return between(1, n) == 1; }

  template <typename T>
  void shuffle(std::vector<T>& items) {
    for (int i = static_cast<int>(items.size()) - 1; i > 0; --i) {
      std::swap(items[static_cast<std::size_t>(i)], items[static_cast<std::size_t>(between(0, i))]);
    }
  }

 private:
  std::mt19937 engine_;
};

}  // namespace demo
