// What Pace reaches at simulated endpoints of every kind: throughput (of the limit, of what the
// workers allow, or, for losses, of a plain pool) and requests sent for one that is accepted.
//
//   pace-sweep [part of a scenario's name [every nth scenario]]
#include <algorithm>
#include <cstdlib>
#include <string>
#include <vector>

#include <fmt/core.h>

#include "tests/unit/calls/pace_simulation.h"

namespace alig {
namespace {

using Kind = PaceScenario::Kind;

// Above it a scenario takes seconds.
constexpr double kMostRequests = 1e6;

void add_endpoint(std::vector<PaceScenario>& all, PaceScenario scenario) {
  for (const bool hints : {false, true}) {
    for (const bool slow : {false, true}) {
      for (const double latency : {0.05, 0.5, 5.0, 20.0}) {
        for (const int workers : {4, 16, 64, 1000}) {
          scenario.hints = hints;
          scenario.slow_refusals = slow;
          scenario.latency = latency;
          scenario.workers = workers;
          const double phase = std::max(120.0, 20 * latency);
          const auto phases = static_cast<int>(scenario.limits.size());
          for (int i = 0; i < phases; ++i) scenario.limits[i].from = i * phase;
          scenario.duration = phases > 1 ? phases * phase : 0;
          all.push_back(scenario);
        }
      }
    }
  }
}

void add(std::vector<PaceScenario>& all, Kind kind, const std::vector<double>& limits,
         double burst = 1, bool varying = false) {
  PaceScenario scenario;
  scenario.kind = kind;
  scenario.burst = burst;
  scenario.varying = varying;
  scenario.limits.clear();
  for (const double limit : limits) scenario.limits.push_back({0, limit});
  add_endpoint(all, scenario);
}

std::vector<PaceScenario> all_scenarios() {
  std::vector<PaceScenario> all;
  for (const double share : {0.01, 0.05, 0.1, 0.2}) add(all, Kind::kLosses, {share});
  for (const double rate : {5.0, 20.0, 100.0, 500.0}) {
    for (const double burst : {0.0, 1.0}) add(all, Kind::kBucket, {rate}, burst);
    add(all, Kind::kSpacing, {rate});
  }
  add(all, Kind::kWindow, {30});
  for (const double burst : {1.0, 60.0}) {
    for (const double tokens : {1e5, 1e6}) add(all, Kind::kTokens, {tokens}, burst);
  }
  for (const bool varying : {false, true}) {
    add(all, Kind::kNoLimit, {0}, 1, varying);
    for (const double places : {2.0, 8.0, 64.0, 512.0}) {
      add(all, Kind::kConcurrency, {places}, 1, varying);
    }
    add(all, Kind::kConcurrency, {64, 8, 64}, 1, varying);
  }
  for (const double burst : {0.0, 1.0}) add(all, Kind::kBucket, {100, 20, 200}, burst);
  add(all, Kind::kSpacing, {100, 20, 200});
  return all;
}

double bar_of(Kind kind) {
  if (kind == Kind::kLosses) return 0.9;
  return kind == Kind::kNoLimit ? 0.97 : 0.95;
}

// Whether the scenario reaches its bars.
bool report(const PaceScenario& scenario) {
  const bool losses = scenario.kind == Kind::kLosses;
  const double possible =
      losses ? simulate(scenario, PaceScenario::Caller::kPlainPool).per_second : scenario.ideal();
  const PaceResult result = simulate(scenario);
  const double throughput = result.per_second / possible;
  const bool cheap = losses || result.cost() <= (scenario.hints ? 1.15 : 1.3);
  const bool good = throughput >= bar_of(scenario.kind) && cheap && result.failed == 0;
  fmt::print("{} {:<80} throughput {:.3f}  cost {:.3f}  failed {}\n", good ? "    " : "MISS",
             scenario.name(), throughput, result.cost(), result.failed);
  return good;
}

int sweep(const std::string& part, int nth) {
  int seen = 0;
  int reported = 0;
  int missed = 0;
  for (const PaceScenario& scenario : all_scenarios()) {
    if (scenario.name().find(part) == std::string::npos || seen++ % nth != 0) continue;
    if (scenario.ideal() * scenario.seconds() > kMostRequests) continue;
    ++reported;
    if (!report(scenario)) ++missed;
  }
  fmt::print("{} scenarios, {} miss a bar\n", reported, missed);
  return 0;
}

}  // namespace
}  // namespace alig

int main(int argc, char** argv) {
  return alig::sweep(argc > 1 ? argv[1] : "", argc > 2 ? std::max(1, std::atoi(argv[2])) : 1);
}
