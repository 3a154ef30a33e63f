#include "auto_label_image_grounding/calls/breaker.h"

#include <chrono>
#include <vector>

#include <gtest/gtest.h>

namespace alig {
namespace {

using namespace std::chrono_literals;
using Evidence = Breaker::Evidence;

const TimePoint kStart{};

class BreakerTest : public ::testing::Test {
 protected:
  // A fault of a request that no other has.
  void fault(Evidence evidence, TimePoint now = kStart) {
    breaker_.on_fault(&requests_[next_++], evidence, std::nullopt, now);
  }
  Breaker breaker_{{120s, 900s}};
  int requests_[100] = {};
  std::size_t next_ = 0;
};

TEST_F(BreakerTest, ThreeMissingConnectionsInARowOpenIt) {
  breaker_.on_success(kStart);
  fault(Evidence::kCertain);
  fault(Evidence::kCertain);
  breaker_.on_success(kStart);
  fault(Evidence::kCertain);
  fault(Evidence::kCertain);
  EXPECT_FALSE(breaker_.is_open());
  fault(Evidence::kCertain);
  EXPECT_TRUE(breaker_.is_open());
}

TEST_F(BreakerTest, ServerErrorsOfOneRequestSayNothingOfOthers) {
  breaker_.on_success(kStart);
  for (int i = 0; i < 50; ++i) {
    breaker_.on_fault(&requests_[0], Evidence::kAmbiguous, std::nullopt, kStart);
  }
  EXPECT_FALSE(breaker_.is_open());
  for (int i = 0; i < 8; ++i) fault(Evidence::kAmbiguous);
  EXPECT_TRUE(breaker_.is_open());
}

TEST_F(BreakerTest, BeforeTheFirstSuccessOneMissingConnectionIsEnough) {
  fault(Evidence::kAmbiguous);
  EXPECT_FALSE(breaker_.is_open());
  fault(Evidence::kCertain);
  EXPECT_TRUE(breaker_.is_open());
  EXPECT_EQ(breaker_.patience(), Duration(120s));
}

TEST_F(BreakerTest, ProbesComeOneAtATimeAtGrowingIntervals) {
  fault(Evidence::kCertain);
  std::vector<double> intervals;
  TimePoint now = kStart;
  for (int i = 0; i < 7; ++i) {
    intervals.push_back(std::chrono::duration<double>(breaker_.probe_at() - now).count());
    now = breaker_.probe_at();
    breaker_.start_probe();
    EXPECT_EQ(breaker_.probe_at(), TimePoint::max()) << "one at a time";
    breaker_.on_probe_failed(std::nullopt, now);
  }
  EXPECT_EQ(intervals, (std::vector<double>{1, 2, 4, 8, 16, 30, 30}));
}

TEST_F(BreakerTest, AServersWishIsHeard) {
  breaker_.on_fault(&requests_[0], Evidence::kCertain, 10s, kStart);
  EXPECT_EQ(breaker_.probe_at(), kStart + 10s);
  breaker_.start_probe();
  breaker_.on_probe_failed(45s, kStart + 10s);
  EXPECT_EQ(breaker_.probe_at(), kStart + 55s);
}

TEST_F(BreakerTest, PatienceCountsFromTheFirstFaultAfterTheLastSuccess) {
  breaker_.on_success(kStart);
  for (int i = 0; i < 3; ++i) fault(Evidence::kCertain, kStart + 10s);
  EXPECT_EQ(breaker_.gives_up_at(), kStart + 910s);
  breaker_.start_probe();
  breaker_.on_probe_failed(std::nullopt, kStart + 100s);
  EXPECT_EQ(breaker_.gives_up_at(), kStart + 910s);
  breaker_.on_success(kStart + 200s);
  EXPECT_FALSE(breaker_.is_open());
  for (int i = 0; i < 3; ++i) fault(Evidence::kCertain, kStart + 300s);
  EXPECT_EQ(breaker_.gives_up_at(), kStart + 1200s);
  EXPECT_EQ(breaker_.outages(), 2);
}

TEST_F(BreakerTest, AProbeWithoutEvidenceIsFollowedByAnother) {
  fault(Evidence::kCertain);
  breaker_.start_probe();
  breaker_.end_probe(kStart + 5s);
  EXPECT_TRUE(breaker_.is_open());
  EXPECT_EQ(breaker_.probe_at(), kStart + 6s);
}

}  // namespace
}  // namespace alig
