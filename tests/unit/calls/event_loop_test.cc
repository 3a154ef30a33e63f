#include "auto_label_image_grounding/calls/event_loop.h"

#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace alig {
namespace {

using std::chrono::milliseconds;

TEST(EventLoopTest, RunsWhatOtherThreadsPostInTheirOrder) {
  SystemClock clock;
  EventLoop loop(clock);
  std::vector<int> seen;
  std::thread poster([&] {
    for (int i = 0; i < 100; ++i) loop.post([&seen, i] { seen.push_back(i); });
  });
  loop.run([&] { return seen.size() == 100; }, milliseconds(10), [] {});
  poster.join();
  for (int i = 0; i < 100; ++i) EXPECT_EQ(seen[static_cast<std::size_t>(i)], i);
}

TEST(EventLoopTest, TimersFireInTheOrderOfTheirTime) {
  SystemClock clock;
  EventLoop loop(clock);
  std::vector<int> seen;
  loop.at(clock.now() + milliseconds(20), [&] { seen.push_back(2); });
  loop.at(clock.now() + milliseconds(1), [&] { seen.push_back(1); });
  loop.run([&] { return seen.size() == 2; }, milliseconds(500), [] {});
  EXPECT_EQ(seen, (std::vector<int>{1, 2}));
}

TEST(EventLoopTest, TicksAlthoughNothingHappens) {
  SystemClock clock;
  EventLoop loop(clock);
  int ticks = 0;
  loop.run([&] { return ticks == 3; }, milliseconds(1), [&] { ++ticks; });
  EXPECT_EQ(ticks, 3);
}

TEST(EventLoopTest, ClearDropsWhatDroppedEventsPost) {
  SystemClock clock;
  EventLoop loop(clock);
  struct PostsWhenDropped {
    EventLoop& loop;
    bool& ran;
    ~PostsWhenDropped() {
      loop.post([&ran = ran] { ran = true; });
    }
  };
  bool ran = false;
  loop.post([kept = std::make_shared<PostsWhenDropped>(PostsWhenDropped{loop, ran})] {});
  loop.clear();
  bool ticked = false;
  loop.run([&] { return ticked; }, milliseconds(1), [&] { ticked = true; });
  EXPECT_FALSE(ran);
}

}  // namespace
}  // namespace alig
