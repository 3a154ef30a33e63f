#include "auto_label_image_grounding/http/io_thread.h"

#include <sys/resource.h>

#include <gtest/gtest.h>

namespace alig {
namespace {

struct Case {
  rlim_t soft;
  rlim_t hard;
  int wanted;
  int granted;
};

// Each in a process of its own: a hard limit cannot be raised again.
TEST(RaiseFileLimitDeathTest, GrantsWhatTheHardLimitHasRoomFor) {
  const Case cases[] = {
      {256, 256, 64, 64},  // just enough: 2 x 64 + 128
      {256, 256, 65, 64}, {256, 256, 200, 64}, {150, 256, 200, 64}, {150, 256, 5, 5},
      {100, 100, 200, 1}, {129, 129, 200, 1},  {256, 256, 0, 1},    {256, 256, -3, 1},
  };
  for (const Case& c : cases) {
    const auto grant = [&c] {
      const rlimit limit{c.soft, c.hard};
      std::_Exit(setrlimit(RLIMIT_NOFILE, &limit) == 0 ? raise_file_limit(c.wanted) : 255);
    };
    EXPECT_EXIT(grant(), ::testing::ExitedWithCode(c.granted), "")
        << c.soft << "/" << c.hard << ", wanted " << c.wanted;
  }
}

}  // namespace
}  // namespace alig
