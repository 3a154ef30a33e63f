// Internal to Pace: the figures that it goes by. They were chosen in the simulation of its test.
#pragma once

#include <chrono>
#include <cmath>
#include <cstddef>

#include "auto_label_image_grounding/base/clock.h"

namespace alig::pace_settings {

// --- The start: a limit costs few requests, and an endpoint without one no more than 3 seconds ---
inline constexpr double kFirstRate = 100;
inline constexpr double kRampDoublingSeconds = 0.4;
inline constexpr double kUnlimitedRate = 50'000;
inline constexpr double kLowestRate = 0.05;

// --- Epochs ---
inline constexpr int kEpochSize = 16;
inline constexpr int kWall = 3;             // refusals, at least half of all: judged at once
inline constexpr double kTolerated = 0.05;  // share of refusals
inline constexpr double kInstant = 0.010;   // seconds; what is shorter gives no rate
inline constexpr double kUnlikely = 1e-3;
inline constexpr Duration kLongestEpoch = std::chrono::seconds(60);
inline constexpr Duration kLongestPatience = std::chrono::seconds(31);
inline constexpr std::size_t kLongestLedger = 20'000;

// --- Concurrency ---
inline constexpr int kAboveInRow = 4;
inline constexpr Duration kFirstProbeDelay = std::chrono::milliseconds(100);
inline constexpr Duration kLongestProbeDelay = std::chrono::minutes(5);
inline constexpr int kProbeRequests = 24;  // accepted between two probes at the most,
inline constexpr Duration kProbeDelay = std::chrono::seconds(2);  // but not less than this

// --- Rate ---
inline constexpr double kUsualGrowth = 1.2;  // factor from one epoch to the next
inline constexpr double kFastestGrowth = 2;
inline constexpr double kFar = 1.3;  // from the lowest bad rate
inline constexpr double kNear = 0.97;
inline constexpr int kShortestHold =
    48;  // requests near the lowest bad rate before it is tried again
inline constexpr int kLongestHold = 192;
inline constexpr Duration kCatchUp =
    std::chrono::milliseconds(10);  // a timer that is late by less is made up for

// --- Everything refused ---
inline constexpr Duration kFirstPause = std::chrono::milliseconds(250);
inline constexpr Duration kLongestPause = std::chrono::seconds(15);
inline constexpr Duration kLongClosing = std::chrono::seconds(5);
// Longer than a limit per minute closes an endpoint.
inline constexpr Duration kOutage = std::chrono::seconds(75);
inline constexpr Duration kLongestHint = std::chrono::seconds(60);
inline constexpr Duration kLongHint = std::chrono::seconds(10);
inline constexpr int kLongHints = 2;  // in a row; one if the endpoint has been closed before

// --- Losses ---
inline constexpr double kTrialRate = 0.8;
inline constexpr int kTrialSkip = 6;  // requests that may still suffer from those before
inline constexpr double kFewestRefusals = 6;
inline constexpr double kFewestRequests = 32;
inline constexpr double kFirstTrialWait = 100;  // requests between two trials
inline constexpr double kLongestTrialWait = 3200;
inline constexpr int kHandful = 8;  // requests in flight, from which little is learnt
inline constexpr double kInVain = 0.35;
inline constexpr double kFloorMemory = 200;  // requests
inline constexpr double kMostLost = 0.25;    // what chance may be, as long as nothing is known
inline constexpr double kPriorSent =
    12;  // requests after which it is known as well from those sent

// Bound on the probability that of `size` outcomes, each of which is a refusal with the probability
// `share`, a share as far from it as that of `refused` is refused (Chernoff).
inline double chance_of(double refused, double size, double share) {
  const auto part = [size](double count, double expected) {
    return count > 0 ? count * std::log(count / size / expected) : 0;
  };
  return std::exp(-part(refused, share) - part(size - refused, 1 - share));
}

// Whether so many refusals are more than chance makes of that share.
inline bool is_beyond(double refused, double size, double share) {
  return refused > share * size && chance_of(refused, size, share) < kUnlikely;
}

}  // namespace alig::pace_settings
