// Builds a JSON value from parser events in linear time. Shared by the strict and the tolerant
// reader, so that both treat depth and repeated keys the same.
#pragma once

#include <cstddef>
#include <string>
#include <unordered_set>
#include <vector>

#include <nlohmann/json.hpp>

namespace alig::parse {

using Json = nlohmann::ordered_json;

class JsonBuilder {
 public:
  // Containers below this depth are skipped.
  static constexpr std::size_t kMaxDepth = 64;

  void open_array() { open(Json::array()); }
  void open_object() { open(Json::object()); }
  void key(std::string name);
  void value(Json value);
  void close();

  // Closes whatever is open and moves the value out.
  Json take();

  // Open containers, not counting skipped ones.
  std::size_t open_containers() const { return frames_.size(); }
  bool has_content() const { return has_content_; }
  bool has_repeated_keys() const { return has_repeated_keys_; }
  bool is_too_deep() const { return is_too_deep_; }

 private:
  struct Frame {
    Json container;
    std::string key;
    std::unordered_set<std::string> keys;
  };
  void open(Json container);
  void add(Json value);

  std::vector<Frame> frames_;
  std::size_t left_out_ = 0;  // open containers below kMaxDepth
  Json root_;
  bool has_content_ = false;
  bool has_repeated_keys_ = false;
  bool is_too_deep_ = false;
};

}  // namespace alig::parse
