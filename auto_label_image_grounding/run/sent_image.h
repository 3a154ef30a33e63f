// The image of a record, prepared for the endpoint.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/image/image_info.h"
#include "auto_label_image_grounding/image/image_size.h"
#include "auto_label_image_grounding/vlm/backend.h"
#include "auto_label_image_grounding/vlm/coordinates.h"

namespace alig {

struct SentImage {
  std::optional<VlmImage> content;  // absent: text only
  ImageSize upright;                // the space of the boxes
  ImageSize seen;                   // by the model, after every resize: for pixel conventions
  bool downscaled_for_limit = false;
};

// What the endpoint has turned out to demand beyond its rules.
struct ImageWishes {
  std::set<std::string> refused_types;  // MIME types that are not to be sent
  std::uint64_t max_bytes = 0;          // before base64; 0: no limit
  // The MIME type in which the image itself was refused: it is converted to JPEG or PNG, also if it
  // is one already. "": it was not.
  std::string refused_as;
};

// `info` is the header of the file at `path`. Decodes nothing if the file can be sent as it is.
// `max_side`: vlm.max_image_side.
Result<SentImage> make_sent_image(const std::string& path, const ImageInfo& info,
                                  const ImageRules& rules, int max_side,
                                  const CoordinateChoice& choice, const ImageWishes& wishes = {});

// For records without a readable file under data.on_missing_image = text_only: the record's size,
// else 1920x1080, like the stock pipeline.
SentImage text_only_image(const std::optional<ImageSize>& declared);

}  // namespace alig
