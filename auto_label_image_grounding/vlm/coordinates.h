// Coordinate conventions: the numbers in which a model is asked for boxes, and how they are read.
//
// A box in the wrong convention looks plausible and trains a bad model. Axis order cannot be
// inferred from an answer, so the convention is chosen before asking, stated in the prompt, and
// applied to every positional answer, whatever key the model uses.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/data/annotation.h"
#include "auto_label_image_grounding/parse/grounding_answer.h"

namespace alig {

enum class AxisOrder { kXyxy, kYxyx };

struct CoordinateConvention {
  AxisOrder order = AxisOrder::kXyxy;
  double range = 0;  // both axes run from 0 to range; 0: pixels of the image as sent
  bool operator==(const CoordinateConvention&) const = default;
};

// How a family's server resizes images (qwen_vl_utils, smart_resize): sides become multiples of
// `factor`, the area stays within the limits in pixels. Sending an image already on the grid makes
// that resize a no-op, so that the model's pixels are those we sent.
struct ResizeGrid {
  int factor = 0;  // 0: the family has no grid
  double min_pixels = 0;
  double max_pixels = 0;
};

struct ModelFamily {
  const char* name;
  CoordinateConvention convention;
  ResizeGrid grid;  // only for pixel conventions
  // For pixel conventions: the client resizes to this before sending; 0: no limit.
  int max_side = 0;
  const char* caution = nullptr;  // why not to label with it; usually null
  // Approximate cost of an image: pixels, as seen by the model, per token.
  int pixels_per_token = 1024;
};

// By model name: letter case, vendor prefixes, quantisation suffixes and local names do not matter.
// An unknown name gets "unknown": pixels, with the image size stated in the prompt.
const ModelFamily& family_of_model(std::string_view model_name);

struct CoordinateChoice {
  CoordinateConvention convention;
  const ModelFamily* family = nullptr;  // static storage
  bool automatic = true;
};
// `setting` is vlm.coordinates, already validated.
CoordinateChoice choose_coordinates(std::string_view setting, std::string_view model_name);
// "yxyx_1000", "pixel", …: the names of vlm.coordinates.
std::string name_of(const CoordinateConvention& convention);

// The size at which an image must be sent. `max_image_side` is the user's limit; 0 = none.
ImageSize size_to_send(const ImageSize& upright, const CoordinateChoice& choice,
                       int max_image_side);

// What the prompt says about the convention, with an example: one paragraph.
std::string describe(const CoordinateConvention& convention, const ImageSize& sent);

// A model's box in pixels of the upright original, unrounded, corners and range as given: the
// caller orders, clamps and counts.
std::array<double, 4> to_upright_pixels(const parse::RawBox& box,
                                        const CoordinateConvention& convention,
                                        const ImageSize& sent, const ImageSize& upright);

}  // namespace alig
