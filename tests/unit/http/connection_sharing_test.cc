#include "auto_label_image_grounding/http/connection_sharing.h"

#include <gtest/gtest.h>

namespace alig {
namespace {

void answer(ConnectionSharing& sharing, int count) {
  for (int i = 0; i < count; ++i) sharing.on_answer();
}

// Connections that end after `taken` answers each, and refuse `refused` requests then.
void end_connections(ConnectionSharing& sharing, int count, int taken, int refused) {
  for (int connection = 0; connection < count; ++connection) {
    answer(sharing, taken);
    for (int i = 0; i < refused; ++i) sharing.on_unprocessed();
  }
}

TEST(ConnectionSharing, EndsWhereConnectionsTakeFewRequests) {
  struct Case {
    int taken;
    int refused;
    bool allowed;
  };
  for (const Case& c : {Case{0, 1, false}, Case{3, 13, false}, Case{100, 15, false},
                        Case{200, 15, true}, Case{1000, 15, true}, Case{10000, 15, true}}) {
    ConnectionSharing sharing;
    end_connections(sharing, 20, c.taken, c.refused);
    EXPECT_EQ(sharing.allowed(), c.allowed) << c.taken;
  }
}

TEST(ConnectionSharing, ALongPastWithoutTroubleDelaysNothing) {
  ConnectionSharing sharing;
  answer(sharing, 1000000);
  for (int i = 0; i < 250; ++i) sharing.on_unprocessed();
  EXPECT_FALSE(sharing.allowed());
}

TEST(ConnectionSharing, IsTriedAgainLessAndLessOften) {
  ConnectionSharing sharing;
  for (const int patience : {1000, 2000, 4000, 8000, 16000, 32000, 64000, 64000}) {
    sharing.on_unprocessed();
    sharing.on_unprocessed();  // not counted any more: it had begun before
    answer(sharing, patience - 1);
    EXPECT_FALSE(sharing.allowed()) << patience;
    answer(sharing, 1);
    EXPECT_TRUE(sharing.allowed()) << patience;
  }
}

}  // namespace
}  // namespace alig
