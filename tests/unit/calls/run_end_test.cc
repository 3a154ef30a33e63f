#include "auto_label_image_grounding/calls/run_end.h"

#include <chrono>
#include <vector>

#include <gtest/gtest.h>

namespace alig {
namespace {

using std::chrono::hours;
using std::chrono::seconds;

class RunEndingTest : public ::testing::Test {
 protected:
  std::vector<bool> stops_;  // whether each cancelled what is in flight
  RunEnding ending_{[this](bool cancel) { stops_.push_back(cancel); }};
  TimePoint now_{hours(1)};
};

TEST_F(RunEndingTest, GoesOnUntilThereIsAReason) {
  EXPECT_FALSE(ending_.reason());
  EXPECT_FALSE(ending_.is_over(0, now_));
}

TEST_F(RunEndingTest, WaitsForWhatIsInFlightAsLongAsTheReasonAllows) {
  struct Case {
    RunEnd::Reason reason;
    Duration patience;
    ErrorKind kind;
  };
  const Duration forever = hours(24 * 365);
  for (const Case& c : {Case{RunEnd::Reason::kInterrupted, seconds(10), ErrorKind::kInterrupted},
                        Case{RunEnd::Reason::kEndpoint, seconds(10), ErrorKind::kEndpoint},
                        Case{RunEnd::Reason::kMaxRequests, forever, ErrorKind::kUnavailable},
                        Case{RunEnd::Reason::kTooManyFailures, forever, ErrorKind::kUnavailable},
                        Case{RunEnd::Reason::kFault, seconds(0), ErrorKind::kIo}}) {
    std::vector<bool> stops;
    RunEnding ending([&](bool cancel) { stops.push_back(cancel); });
    ending.end({c.reason, "why"}, now_);
    EXPECT_EQ(stops, std::vector<bool>{c.patience == seconds(0)});
    EXPECT_TRUE(ending.is_over(0, now_));
    EXPECT_TRUE(c.patience == forever || ending.is_over(1, now_ + c.patience));
    if (c.patience > seconds(0)) {
      EXPECT_FALSE(ending.is_over(1, now_ + c.patience - seconds(1)));
    }
    EXPECT_EQ(ending.reason()->error().kind, c.kind);
    EXPECT_EQ(ending.reason()->error().message, "why");
  }
}

TEST_F(RunEndingTest, TheFirstReasonWins) {
  ending_.end({RunEnd::Reason::kMaxRequests, "first"}, now_);
  ending_.end(RunEnd::fault({ErrorKind::kNotFound, "second"}), now_);
  EXPECT_EQ(ending_.reason()->message, "first");
  EXPECT_EQ(stops_.size(), 1u);
}

TEST_F(RunEndingTest, AnInterruptTakesThePlaceOfAnotherReason) {
  ending_.end({RunEnd::Reason::kMaxRequests, "first"}, now_);
  ending_.end({RunEnd::Reason::kInterrupted, "second"}, now_);
  EXPECT_EQ(ending_.reason()->message, "second");
  EXPECT_TRUE(ending_.is_over(1, now_ + seconds(10)));
}

// It is said again on every tick: the wait must not begin again each time.
TEST_F(RunEndingTest, AnInterruptCountsOnce) {
  ending_.end({RunEnd::Reason::kInterrupted, "first"}, now_);
  ending_.end({RunEnd::Reason::kInterrupted, "again"}, now_ + seconds(9));
  EXPECT_TRUE(ending_.is_over(1, now_ + seconds(10)));
  EXPECT_EQ(stops_.size(), 1u);
}

TEST_F(RunEndingTest, AnInterruptEndsTheWaitAfterAFaultOfTheEndpoint) {
  ending_.end({RunEnd::Reason::kEndpoint, "the endpoint"}, now_);
  EXPECT_FALSE(ending_.is_over(1, now_));
  ending_.end({RunEnd::Reason::kInterrupted, "again"}, now_);
  EXPECT_TRUE(ending_.is_over(1, now_));
  EXPECT_EQ(ending_.reason()->message, "the endpoint");
}

TEST_F(RunEndingTest, ASecondInterruptEndsTheWait) {
  ending_.end({RunEnd::Reason::kInterrupted, "first"}, now_);
  ending_.end_now(now_ + seconds(1));
  EXPECT_TRUE(ending_.is_over(1, now_ + seconds(1)));
}

}  // namespace
}  // namespace alig
