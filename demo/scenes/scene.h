// Scenes of plain shapes whose boxes are known exactly, and captions that describe them.
#pragma once

#include <array>
#include <string>
#include <vector>

#include <opencv2/core.hpp>

#include "random.h"

namespace demo {

enum class Shape { kCircle, kSquare, kRectangle, kTriangle, kStar };
enum class Size { kPlain, kSmall, kLarge };

struct Colour {
  const char* name;
  cv::Scalar bgr;
};

// Shapes described by one phrase of a caption.
struct Group {
  Shape shape = Shape::kCircle;
  Colour colour;
  Size size = Size::kPlain;     // stated in the phrase, and true
  std::vector<cv::Rect> boxes;  // of the drawn pixels, upright, half-open
};

struct Scene {
  cv::Mat image;  // BGR, upright
  std::vector<Group> groups;
};

struct Mention {
  std::string text;                // as in the caption
  std::size_t begin = 0, end = 0;  // code points of the caption, half-open
  std::vector<cv::Rect> boxes;
};

struct Caption {
  std::string text;
  std::vector<Mention> mentions;
};

// A scene of two to four kinds of shapes, none touching another or the border.
Scene make_scene(cv::Size size, Random& random);

// A caption that names all of `groups` in their order. `prefix` (e.g. "Décor: ") comes first.
Caption describe(const std::vector<Group>& groups, const std::string& prefix, Random& random);

}  // namespace demo
