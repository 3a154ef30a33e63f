// What an endpoint demands of images, as its answers show. Belongs to one thread.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "auto_label_image_grounding/vlm/backend.h"

namespace alig {

// Kept for the next run.
struct ImageFacts {
  std::set<std::string> taken;    // MIME types
  std::set<std::string> refused;  // MIME types, none of `taken`
  std::uint64_t max_bytes = 0;    // before base64; 0: no limit is known
};

class ImageDemands {
 public:
  explicit ImageDemands(ImageFacts known = {}) : facts_(std::move(known)) {}

  // Whether the image may be sent as it is.
  bool allow(const VlmImage& image) const;
  // Whether an image of that MIME type has ever been taken.
  bool has_taken(const std::string& mime_type) const { return facts_.taken.contains(mime_type); }

  // One refused image may be damaged itself. That two were taken once they had been converted, and
  // none as it was, speaks of their type.
  void on_accepted(const VlmImage& image);
  // HTTP 413. False: it is so small that its size can hardly be the reason.
  bool on_too_large(const VlmImage& image);

  const ImageFacts& facts() const { return facts_; }

  // What is new, in words; each is returned once.
  std::vector<std::string> take_news() { return std::exchange(news_, {}); }

 private:
  ImageFacts facts_;
  std::map<std::string, int> converted_;  // images, by the type in which they were refused
  std::uint64_t largest_taken_ = 0;
  std::vector<std::string> news_;
};

}  // namespace alig
