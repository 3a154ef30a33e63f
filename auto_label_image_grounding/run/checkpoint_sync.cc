#include "auto_label_image_grounding/run/checkpoint_sync.h"

#include <chrono>

namespace alig {

void CheckpointSync::tick() {
  constexpr Duration kInterval = std::chrono::seconds(10);
  if (clock_.now() < next_) return;
  next_ = clock_.now() + kInterval;
  const bool busy =
      batch_.valid() && batch_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
  if (busy || store_.unsynced() == 0) return;
  if (batch_.valid()) note(batch_.get());
  batch_ = std::async(std::launch::async, [this] { return store_.sync(); });
}

void CheckpointSync::note(const Status& status) {
  if (status || failed_) return;
  failed_ = true;
  warnings_.add("checkpoints would not survive a loss of power: " + status.error().message);
}

}  // namespace alig
