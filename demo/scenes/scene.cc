#include "scene.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <stdexcept>

#include <opencv2/imgproc.hpp>

#include "auto_label_image_grounding/base/text.h"

namespace demo {
namespace {

const std::array<Colour, 9> kColours = {{{"red", {40, 40, 220}},
                                         {"green", {60, 160, 40}},
                                         {"blue", {220, 80, 40}},
                                         {"yellow", {40, 215, 240}},
                                         {"orange", {30, 140, 245}},
                                         {"purple", {170, 50, 130}},
                                         {"pink", {190, 130, 245}},
                                         {"cyan", {220, 200, 40}},
                                         {"black", {25, 25, 25}}}};

constexpr std::array<const char*, 5> kShapeNames = {"circle", "square", "rectangle", "triangle",
                                                    "star"};

// Sides in thousandths of the image's shorter side.
constexpr int kSmallSide = 90, kMinSide = 170, kMaxSide = 270, kLargeSide = 320;
constexpr int kMinMargin = 6;

std::vector<cv::Point> star(cv::Point centre, int radius) {
  constexpr double kInner = 0.45;
  std::vector<cv::Point> points;
  for (int i = 0; i < 10; ++i) {
    const double r = i % 2 == 0 ? radius : kInner * radius;
    const double angle = CV_PI * (i / 5.0 - 0.5);
    points.emplace_back(centre.x + static_cast<int>(std::lround(r * std::cos(angle))),
                        centre.y + static_cast<int>(std::lround(r * std::sin(angle))));
  }
  return points;
}

std::vector<cv::Point> triangle(const cv::Rect& area, bool points_up) {
  const int top = area.y, bottom = area.y + area.height;
  const int base = points_up ? bottom : top, tip = points_up ? top : bottom;
  return {{area.x, base}, {area.x + area.width, base}, {area.x + area.width / 2, tip}};
}

// The shape's pixels, 255 each: no soft edges, so that the box is a fact and not a matter of taste.
cv::Mat draw_mask(Shape shape, const cv::Rect& area, cv::Size canvas, bool points_up) {
  cv::Mat mask = cv::Mat::zeros(canvas, CV_8U);
  const cv::Point centre(area.x + area.width / 2, area.y + area.height / 2);
  const int radius = std::min(area.width, area.height) / 2;
  const auto fill = [&](const std::vector<cv::Point>& points) {
    cv::fillPoly(mask, std::vector<std::vector<cv::Point>>{points}, 255, cv::LINE_8);
  };
  switch (shape) {
    case Shape::kCircle:
      cv::circle(mask, centre, radius, 255, cv::FILLED, cv::LINE_8);
      break;
    case Shape::kSquare:
    case Shape::kRectangle:
      cv::rectangle(mask, area, 255, cv::FILLED, cv::LINE_8);
      break;
    case Shape::kTriangle:
      fill(triangle(area, points_up));
      break;
    case Shape::kStar:
      fill(star(centre, radius));
      break;
  }
  return mask;
}

cv::Size extent(Shape shape, int side, Random& random) {
  if (shape != Shape::kRectangle) return {side, side};
  const int shorter = side * 100 / random.between(170, 230);
  return random.one_in(2) ? cv::Size(side, shorter) : cv::Size(shorter, side);
}

// What sides are measured by: the shorter side, so that nothing sticks out of a long image.
int unit_of(cv::Size canvas) { return std::min(canvas.width, canvas.height); }

int side_in_pixels(Size size, cv::Size canvas, Random& random) {
  const int thousandths = size == Size::kSmall   ? kSmallSide
                          : size == Size::kLarge ? kLargeSide
                                                 : random.between(kMinSide, kMaxSide);
  return thousandths * unit_of(canvas) / 1000;
}

// A free place, or an empty rectangle where none was found.
cv::Rect find_place(cv::Size extent, cv::Size canvas, const std::vector<cv::Rect>& taken,
                    Random& random) {
  const int margin = std::max(kMinMargin, unit_of(canvas) / 40);
  constexpr int kTries = 400;
  for (int i = 0; i < kTries; ++i) {
    const int x = random.between(margin, canvas.width - extent.width - margin - 1);
    const int y = random.between(margin, canvas.height - extent.height - margin - 1);
    const cv::Rect place(cv::Point(x, y), extent);
    const cv::Rect wide(x - margin, y - margin, extent.width + 2 * margin,
                        extent.height + 2 * margin);
    const bool is_free = std::none_of(taken.begin(), taken.end(), [&](const cv::Rect& other) {
      return (wide & other).area() > 0;
    });
    if (is_free) return place;
  }
  return {};
}

bool draw_one(Scene& scene, Group& group, std::vector<cv::Rect>& taken, Random& random) {
  const int side = side_in_pixels(group.size, scene.image.size(), random);
  const cv::Rect place =
      find_place(extent(group.shape, side, random), scene.image.size(), taken, random);
  if (place.empty()) return false;
  const cv::Mat mask = draw_mask(group.shape, place, scene.image.size(), random.one_in(2));
  scene.image.setTo(group.colour.bgr, mask);
  group.boxes.push_back(cv::boundingRect(mask));
  taken.push_back(group.boxes.back());
  return true;
}

// Light and nearly grey: far from every colour of the table.
cv::Scalar background(Random& random) {
  const int base = random.between(226, 244);
  const auto channel = [&] { return std::min(252, base + random.between(-8, 8)); };
  const int blue = channel(), green = channel(), red = channel();
  return {static_cast<double>(blue), static_cast<double>(green), static_cast<double>(red)};
}

struct Plan {
  Group group;
  int count = 1;
};

// Kinds of distinct colour and shape. Sizes are named rarely: one large and one small of a kind, or
// one shape that is half as large as any other.
std::vector<Plan> plan_groups(cv::Size canvas, Random& random) {
  std::vector<std::pair<int, int>> kinds;
  for (int shape = 0; shape < static_cast<int>(kShapeNames.size()); ++shape) {
    for (int colour = 0; colour < static_cast<int>(kColours.size()); ++colour) {
      kinds.emplace_back(shape, colour);
    }
  }
  random.shuffle(kinds);
  std::vector<Plan> plans;
  const int count = random.between(2, 4);
  for (int i = 0; i < count; ++i) {
    const auto [shape, colour] = kinds[static_cast<std::size_t>(i)];
    plans.push_back(
        {{static_cast<Shape>(shape), kColours[static_cast<std::size_t>(colour)], Size::kPlain, {}},
         1});
  }
  if (random.one_in(2)) plans.front().count = random.between(2, 3);
  // A small shape of a very long image would be a speck once the image is downscaled.
  constexpr int kLong = 3;
  const bool may_be_small =
      std::max(canvas.width, canvas.height) <= kLong * std::min(canvas.width, canvas.height);
  if (random.one_in(5) && may_be_small) {
    plans.back() = {{plans.back().group.shape, plans.back().group.colour, Size::kSmall, {}}, 1};
    if (random.one_in(2)) {
      Plan large = plans.back();
      large.group.size = Size::kLarge;
      plans.push_back(large);
    }
  }
  return plans;
}

bool try_scene(cv::Size size, Random& random, Scene& scene) {
  scene = {cv::Mat(size, CV_8UC3, background(random)), {}};
  std::vector<cv::Rect> taken;
  for (const Plan& plan : plan_groups(size, random)) {
    scene.groups.push_back(plan.group);
    for (int i = 0; i < plan.count; ++i) {
      if (!draw_one(scene, scene.groups.back(), taken, random)) return false;
    }
  }
  return true;
}

std::string phrase(const Group& group) {
  const std::string name = kShapeNames[static_cast<std::size_t>(group.shape)];
  const std::string colour = group.colour.name;
  if (group.boxes.size() == 2) return "two " + colour + " " + name + "s";
  if (group.boxes.size() == 3) return "three " + colour + " " + name + "s";
  if (group.size == Size::kSmall) return "a small " + colour + " " + name;
  if (group.size == Size::kLarge) return "a large " + colour + " " + name;
  return (colour == "orange" ? "an " : "a ") + colour + " " + name;
}

// The text before phrase `i` of `count`.
std::string joint(std::size_t i, std::size_t count, bool next_to) {
  if (i == 0) return "";
  if (i + 1 < count) return next_to && i + 2 == count ? " and " : ", ";
  return next_to ? " next to " : " and ";
}

}  // namespace

Scene make_scene(cv::Size size, Random& random) {
  constexpr int kTries = 200;
  Scene scene;
  for (int i = 0; i < kTries; ++i) {
    if (try_scene(size, random, scene)) return scene;
  }
  throw std::runtime_error("no room for the shapes in an image of " + std::to_string(size.width) +
                           "x" + std::to_string(size.height));
}

Caption describe(const std::vector<Group>& groups, const std::string& prefix, Random& random) {
  Caption caption{prefix, {}};
  const bool next_to = random.one_in(2);
  for (std::size_t i = 0; i < groups.size(); ++i) {
    caption.text += joint(i, groups.size(), next_to);
    std::string text = phrase(groups[i]);
    if (caption.text.empty()) text[0] = static_cast<char>(text[0] - 'a' + 'A');
    const std::size_t begin = alig::count_code_points(caption.text);
    caption.text += text;
    caption.mentions.push_back(
        {text, begin, alig::count_code_points(caption.text), groups[i].boxes});
  }
  caption.text += random.one_in(3) ? " on a plain background." : ".";
  return caption;
}

}  // namespace demo
