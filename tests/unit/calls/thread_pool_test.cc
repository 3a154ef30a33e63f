#include "auto_label_image_grounding/calls/thread_pool.h"

#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

namespace alig {
namespace {

TEST(ThreadPool, RunsEverythingThatSeveralThreadsSubmit) {
  constexpr int kSenders = 4;
  constexpr int kTasks = 5000;
  std::atomic<int> done{0};
  {
    ThreadPool pool(3);
    std::vector<std::thread> senders;
    for (int i = 0; i < kSenders; ++i) {
      senders.emplace_back([&] {
        for (int task = 0; task < kTasks; ++task) pool.submit([&] { ++done; });
      });
    }
    for (std::thread& sender : senders) sender.join();
  }
  EXPECT_EQ(done, kSenders * kTasks);
}

// Each task ends only when all of them run: the threads must wake each other.
TEST(ThreadPool, WakesAsManyThreadsAsThereAreTasks) {
  constexpr int kThreads = 6;
  ThreadPool pool(kThreads);
  for (int round = 0; round < 200; ++round) {
    std::atomic<int> running{0};
    std::vector<std::future<void>> ended;
    for (int i = 0; i < kThreads; ++i) {
      auto promise = std::make_shared<std::promise<void>>();
      ended.push_back(promise->get_future());
      pool.submit([&running, promise] {
        for (++running; running < kThreads;) std::this_thread::yield();
        promise->set_value();
      });
    }
    for (auto& task : ended) {
      ASSERT_EQ(task.wait_for(std::chrono::seconds(30)), std::future_status::ready);
    }
  }
}

TEST(ThreadPool, RunsWhatIsFirstBeforeWhatIsNormal) {
  std::promise<void> all_submitted;
  std::string order;
  {
    ThreadPool pool(1);
    pool.submit([&] { all_submitted.get_future().wait(); });
    pool.submit([&] { order += "a"; });
    pool.submit([&] { order += "b"; });
    pool.submit([&] { order += "1"; }, ThreadPool::Priority::kFirst);
    pool.submit([&] { order += "2"; }, ThreadPool::Priority::kFirst);
    EXPECT_EQ(pool.pending(), 5U);
    all_submitted.set_value();
  }
  EXPECT_EQ(order, "12ab");
}

}  // namespace
}  // namespace alig
