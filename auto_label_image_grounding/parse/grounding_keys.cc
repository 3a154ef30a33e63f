#include "auto_label_image_grounding/parse/grounding_keys.h"

#include <unordered_map>

#include "auto_label_image_grounding/base/text.h"

namespace alig::parse {
namespace {

const std::unordered_map<std::string, KeyMeaning>& key_table() {
  static const std::unordered_map<std::string, KeyMeaning> kTable = [] {
    std::unordered_map<std::string, KeyMeaning> table;
    const auto add = [&](KeyKind kind, std::initializer_list<const char*> keys) {
      int rank = 0;
      for (const char* key : keys) table[key] = {kind, rank++};
    };
    add(KeyKind::kLabel, {"text",         "expression",  "referringexpression",
                          "phrase",       "query",       "label",
                          "caption",      "target",      "entity",
                          "name",         "object",      "objectname",
                          "classname",    "class",       "category",
                          "categoryname", "title",       "nounphrase",
                          "nounchunk",    "ref",         "textcontent",
                          "content",      "description", "word",
                          "type"});
    add(KeyKind::kLabels, {"labels", "texts", "phrases", "classes", "classnames", "names",
                           "expressions", "categories"});
    add(KeyKind::kId, {"id", "expressionid", "phraseid", "index", "idx", "number"});
    add(KeyKind::kScore, {"score", "scores", "confidence", "confidences", "confidencescore", "conf",
                          "probability", "prob", "bboxscore", "certainty"});
    add(KeyKind::kBox, {"bbox",          "bboxes", "bbox2d",    "bboxes2d",    "box",
                        "boxes",         "box2d",  "boxes2d",   "boundingbox", "boundingboxes",
                        "boundingbox2d", "bndbox", "xyxy",      "coordinates", "coords",
                        "coordinate",    "rect",   "rectangle", "rectangles",  "location",
                        "locations",     "region", "regions",   "position",    "positions"});
    add(KeyKind::kBoxXywh, {"xywh", "bboxxywh", "boxxywh"});
    add(KeyKind::kInstances,
        {"instances", "instance", "detections", "detection", "matches", "occurrences"});
    add(KeyKind::kWrapper, {"groundings",
                            "grounding",
                            "objects",
                            "results",
                            "result",
                            "annotations",
                            "annotation",
                            "predictions",
                            "prediction",
                            "items",
                            "answer",
                            "answers",
                            "data",
                            "output",
                            "outputs",
                            "response",
                            "entities",
                            "groundedobjects",
                            "detectedobjects",
                            "objectdetections",
                            "groundingresults",
                            "detectionresults",
                            "od",
                            "phrasegrounding",
                            "finalanswer",
                            "targets",
                            "shapes"});
    add(KeyKind::kAxis,
        {"x1",    "y1",     "x2",      "y2",      "x0",      "y0",     "xmin", "ymin",
         "xmax",  "ymax",   "minx",    "miny",    "maxx",    "maxy",   "left", "top",
         "right", "bottom", "x",       "y",       "width",   "height", "w",    "h",
         "cx",    "cy",     "xcenter", "ycenter", "centerx", "centery"});
    add(KeyKind::kPoint,
        {"point", "points", "point2d", "points2d", "keypoint", "keypoints", "center", "centre"});
    add(KeyKind::kIgnored,
        {"mask",      "masks",       "segmentation", "imagesize", "imagewidth", "imageheight",
         "size",      "resolution",  "imageid",      "color",     "colour",     "area",
         "reasoning", "explanation", "notes",        "note",      "thought",    "thoughts",
         "reason",    "count",       "error",        "message",   "attributes", "usage",
         "metadata",  "image",       "imagepath",    "format",    "scale"});
    return table;
  }();
  return kTable;
}

}  // namespace

std::string plain_key(std::string_view key) {
  std::string out;
  for (const char c : ascii_lower(key)) {
    if (c != '_' && c != '-' && c != ' ') out += c;
  }
  return out;
}

KeyMeaning meaning_of_key(std::string_view key) {
  constexpr std::size_t kMaxKeyBytes = 40;
  if (key.size() > kMaxKeyBytes) return {};
  // Florence-2's task tokens: "<OD>", "<CAPTION_TO_PHRASE_GROUNDING>".
  if (key.size() > 2 && key.front() == '<' && key.back() == '>') return {KeyKind::kWrapper, 0};
  const auto found = key_table().find(plain_key(key));
  return found == key_table().end() ? KeyMeaning{} : found->second;
}

}  // namespace alig::parse
