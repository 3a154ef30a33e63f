#include "auto_label_image_grounding/calls/rate_limit.h"

#include <gtest/gtest.h>

#include <chrono>
#include <vector>

namespace alig {
namespace {

using namespace std::chrono_literals;
using Outcome = ConcurrencyLimiter::Outcome;
using Ticket = ConcurrencyLimiter::Ticket;

std::vector<Ticket> acquire_all(ConcurrencyLimiter& limiter) {
  std::vector<Ticket> tickets;
  while (const auto ticket = limiter.try_acquire()) tickets.push_back(*ticket);
  return tickets;
}

// One round trip with the limit fully used; returns how many requests it had.
int round_trip(ConcurrencyLimiter& limiter, Outcome outcome) {
  const std::vector<Ticket> tickets = acquire_all(limiter);
  for (const Ticket ticket : tickets) limiter.release(ticket, outcome);
  return static_cast<int>(tickets.size());
}

TEST(ConcurrencyLimiter, AdmitsAtMostItsLimit) {
  for (const int max : {-3, 0, 1, 4, 1000}) {
    ConcurrencyLimiter limiter(max);
    EXPECT_EQ(acquire_all(limiter).size(), std::max(max, 1)) << max;
    EXPECT_EQ(limiter.in_flight(), std::max(max, 1)) << max;
  }
}

TEST(ConcurrencyLimiter, HalvesOncePerRoundTrip) {
  ConcurrencyLimiter limiter(64);
  EXPECT_EQ(round_trip(limiter, Outcome::kOverload), 64);
  EXPECT_EQ(limiter.limit(), 32);
  EXPECT_EQ(round_trip(limiter, Outcome::kOverload), 32);
  EXPECT_EQ(limiter.limit(), 16);
  EXPECT_EQ(limiter.lowest_limit(), 16);
}

TEST(ConcurrencyLimiter, NeverFallsUnderOne) {
  ConcurrencyLimiter limiter(5);
  for (int i = 0; i < 20; ++i) EXPECT_GE(round_trip(limiter, Outcome::kOverload), 1) << i;
  EXPECT_EQ(limiter.limit(), 1);
}

TEST(ConcurrencyLimiter, AdmitsNothingUntilTheExcessIsReleased) {
  ConcurrencyLimiter limiter(8);
  std::vector<Ticket> tickets = acquire_all(limiter);
  limiter.release(tickets.back(), Outcome::kOverload);
  tickets.pop_back();
  for (; tickets.size() > 4; tickets.pop_back()) {
    EXPECT_FALSE(limiter.try_acquire()) << tickets.size();
    limiter.release(tickets.back(), Outcome::kSuccess);
  }
  EXPECT_EQ(limiter.limit(), 4) << "successes from before the decrease do not raise the limit";
  EXPECT_FALSE(limiter.try_acquire());
  limiter.release(tickets.back(), Outcome::kNeutral);
  EXPECT_TRUE(limiter.try_acquire());
}

TEST(ConcurrencyLimiter, ComesBackToItsMaximumInFewRoundTrips) {
  for (const int max : {2, 4, 64, 1000}) {
    ConcurrencyLimiter limiter(max);
    round_trip(limiter, Outcome::kOverload);
    int trips = 0;
    while (limiter.limit() < max && trips < 100) {
      const int before = limiter.limit();
      round_trip(limiter, Outcome::kSuccess);
      EXPECT_GE(limiter.limit(), before) << max;
      ++trips;
    }
    EXPECT_EQ(limiter.limit(), max);
    EXPECT_LE(trips, 20) << max;
    EXPECT_GE(trips, 1) << max;
  }
}

TEST(ConcurrencyLimiter, RecoversFromTheBottomToo) {
  ConcurrencyLimiter limiter(500);
  for (int i = 0; i < 12; ++i) round_trip(limiter, Outcome::kOverload);
  ASSERT_EQ(limiter.limit(), 1);
  int trips = 0;
  for (; limiter.limit() < 500 && trips < 100; ++trips) round_trip(limiter, Outcome::kSuccess);
  EXPECT_LE(trips, 45);
  EXPECT_EQ(limiter.lowest_limit(), 1);
}

TEST(ConcurrencyLimiter, NeutralOutcomesChangeNothing) {
  ConcurrencyLimiter limiter(10);
  round_trip(limiter, Outcome::kOverload);
  round_trip(limiter, Outcome::kNeutral);
  EXPECT_EQ(limiter.limit(), 5);
  EXPECT_EQ(limiter.in_flight(), 0);
}

TEST(ConcurrencyLimiter, DoublesPerRoundTripUntilTheFirstOverload) {
  ConcurrencyLimiter limiter(100, 2);
  for (const int expected : {2, 4, 8, 16}) {
    EXPECT_EQ(round_trip(limiter, Outcome::kSuccess), expected);
  }
  round_trip(limiter, Outcome::kOverload);
  EXPECT_EQ(limiter.limit(), 16);
  round_trip(limiter, Outcome::kSuccess);
  EXPECT_LT(limiter.limit(), 32);
  EXPECT_GT(limiter.limit(), 16);
}

// Sends as early as the bucket allows; returns when, in seconds after the start.
std::vector<double> schedule(TokenBucket& bucket, TimePoint start, int count, double cost) {
  std::vector<double> times;
  TimePoint now = start;
  for (int i = 0; i < count; ++i) {
    now = std::max(now, bucket.ready_at(cost));
    bucket.take(cost, now);
    times.push_back(std::chrono::duration<double>(now - start).count());
  }
  return times;
}

TEST(TokenBucket, NeverMoreThanItsRateInAnyMinute) {
  for (const int per_minute : {1, 7, 60, 600, 6001}) {
    const TimePoint start = TimePoint() + 1000h;
    TokenBucket bucket(per_minute, 1, start);
    const std::vector<double> times = schedule(bucket, start, 3 * per_minute + 1, 1);
    const auto step = static_cast<std::size_t>(per_minute);
    for (std::size_t i = 0; i + step < times.size(); ++i) {
      EXPECT_GE(times[i + step] - times[i], 60.0 - 1e-6) << per_minute << ' ' << i;
    }
    EXPECT_NEAR(times.back(), 180.0, 1e-3) << per_minute << ": nor less than its rate";
  }
}

TEST(TokenBucket, DoesNotSaveUpMoreThanItsCapacity) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(60, 3, start);
  bucket.take(3, start);
  const TimePoint later = start + 1000s;
  for (int i = 0; i < 3; ++i) {
    EXPECT_LE(bucket.ready_at(1), later) << i;
    bucket.take(1, later);
  }
  EXPECT_EQ(bucket.ready_at(1), later + 1s);
}

TEST(TokenBucket, ALargeCostWaitsForAFullBucketAndLeavesADebt) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(6000, 100, start);  // 100 per second
  EXPECT_LE(bucket.ready_at(1000), start);
  bucket.take(1000, start);
  EXPECT_EQ(bucket.ready_at(1), start + 9010ms);
}

TEST(TokenBucket, CorrectsEstimates) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(6000, 100, start);
  bucket.take(100, start);
  bucket.correct(50);
  EXPECT_EQ(bucket.ready_at(10), start + 600ms);
  bucket.correct(-60);
  EXPECT_LE(bucket.ready_at(10), start);
  bucket.correct(-1e18);
  bucket.take(100, start);
  EXPECT_EQ(bucket.ready_at(100), start + 1s) << "a refund does not exceed the capacity";
  bucket.correct(1e300);
  EXPECT_EQ(bucket.ready_at(1), start + 60'010ms) << "an answer costs a minute at most";
  bucket.take(1e300, start);
  EXPECT_EQ(bucket.ready_at(1), start + 24h) << "nonsense does not overflow";
}

TEST(TokenBucket, ZeroIsNoLimit) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(0, 1, start);
  for (int i = 0; i < 1000; ++i) bucket.take(1e9, start);
  bucket.correct(1e9);
  EXPECT_LE(bucket.ready_at(1e9), start);
}

TEST(TokenBucket, TimeNeverRunsBackwards) {
  const TimePoint start = TimePoint() + 1h;
  TokenBucket bucket(60, 1, start);
  bucket.take(1, start + 10s);
  bucket.take(1, start);
  EXPECT_EQ(bucket.ready_at(1), start + 12s);
}

}  // namespace
}  // namespace alig
