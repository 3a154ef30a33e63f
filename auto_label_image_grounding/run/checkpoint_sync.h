#pragma once

#include <future>

#include "auto_label_image_grounding/base/clock.h"
#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/base/warnings.h"
#include "auto_label_image_grounding/results/checkpoint_store.h"

namespace alig {

// Checkpoints survive a process crash at once, but power loss only after a sync. Syncs in batches
// on a separate thread, as a slow disk must not hold up the work.
class CheckpointSync {
 public:
  // All must outlive it.
  CheckpointSync(const CheckpointStore& store, const Clock& clock, Warnings& warnings)
      : store_(store), clock_(clock), warnings_(warnings) {}

  // To be called often; starts a batch every ten seconds.
  void tick();

 private:
  void note(const Status& status);

  const CheckpointStore& store_;
  const Clock& clock_;
  Warnings& warnings_;
  std::future<Status> batch_;
  TimePoint next_ = TimePoint::min();
  bool failed_ = false;
};

}  // namespace alig
