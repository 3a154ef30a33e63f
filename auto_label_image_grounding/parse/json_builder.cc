#include "auto_label_image_grounding/parse/json_builder.h"

#include <utility>

namespace alig::parse {

void JsonBuilder::open(Json container) {
  if (frames_.size() == kMaxDepth) {
    ++left_out_;
    is_too_deep_ = true;
    return;
  }
  frames_.push_back({std::move(container), {}, {}});
}

void JsonBuilder::key(std::string name) {
  if (left_out_ > 0) return;
  has_content_ = true;
  Frame& frame = frames_.back();
  frame.key = std::move(name);
  if (!frame.keys.insert(frame.key).second) has_repeated_keys_ = true;
}

void JsonBuilder::value(Json value) {
  if (left_out_ > 0) return;
  has_content_ = true;
  add(std::move(value));
}

void JsonBuilder::close() {
  if (left_out_ > 0) {
    --left_out_;
    return;
  }
  Json done = std::move(frames_.back().container);
  frames_.pop_back();
  add(std::move(done));
}

void JsonBuilder::add(Json value) {
  if (frames_.empty()) {
    root_ = std::move(value);
    return;
  }
  Frame& frame = frames_.back();
  if (frame.container.is_array()) {
    frame.container.push_back(std::move(value));
  } else {
    // Bypasses the map's own lookup: it is linear in the number of keys, and would drop one of two
    // equal keys, and with it what the model said there.
    frame.container.get_ref<Json::object_t&>().emplace_back(std::exchange(frame.key, {}),
                                                            std::move(value));
  }
}

Json JsonBuilder::take() {
  left_out_ = 0;
  while (!frames_.empty()) close();
  return std::move(root_);
}

}  // namespace alig::parse
