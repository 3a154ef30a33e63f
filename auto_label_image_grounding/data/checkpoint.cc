#include "auto_label_image_grounding/data/checkpoint.h"

#include <algorithm>
#include <limits>
#include <stdexcept>
#include <utility>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/json_text.h"
#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/data/sample_name.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kFingerprintDigits = 32;

FieldHasher hash_of(const char* step, const FingerprintInput& input) {
  FieldHasher hasher;
  hasher.add(step)
      .add(lexical_path(input.image_path))
      .add(input.caption)
      .add(input.custom_prompt_sha256);
  return hasher;
}

Json header_json(const CheckpointHeader& header) {
  return {{"fingerprint", header.fingerprint},
          {"model", scrub_utf8(header.model)},
          {"image_path", scrub_utf8(header.image_path)},
          {"caption", header.caption}};
}

void put_size(Json& out, const std::optional<ImageSize>& size) {
  if (!size) return;
  out["width"] = size->width;
  out["height"] = size->height;
}

constexpr std::int64_t kMaxPixels = std::numeric_limits<int>::max();
constexpr std::int64_t kMaxExact = std::int64_t{1} << 53;  // as a double

// The library's own conversion lets numbers overflow.
std::int64_t get_whole(const Json& in, std::int64_t least, std::int64_t most) {
  const auto value = in.get<double>();
  if (!(value >= static_cast<double>(least) && value <= static_cast<double>(most))) {
    throw std::out_of_range("a number is out of its range");
  }
  return in.is_number_integer() ? in.get<std::int64_t>() : static_cast<std::int64_t>(value);
}

std::optional<ImageSize> get_size(const Json& in) {
  if (!in.contains("width") || !in.contains("height")) return std::nullopt;
  const auto side = [&](const char* key) {
    return static_cast<int>(get_whole(in.at(key), 1, kMaxPixels));
  };
  return ImageSize{side("width"), side("height")};
}

CheckpointHeader get_header(const Json& in) {
  return {in.value("fingerprint", ""), in.value("model", ""),
          in.at("image_path").get<std::string>(), in.at("caption").get<std::string>()};
}

Json expression_json(const Expression& expression) {
  Json out = Json::object();
  out["text"] = expression.text;
  out["char_span"] = nullptr;
  if (const auto& span = expression.char_span) out["char_span"] = {span->begin, span->end};
  out["noun_chunk"] = expression.noun_chunk;
  return out;
}

// Absent where it is none, as models count: the expression itself is good.
std::optional<CharSpan> get_span(const Json& in) {
  const CharSpan span{get_whole(in.at(0), -kMaxExact, kMaxExact),
                      get_whole(in.at(1), -kMaxExact, kMaxExact)};
  return 0 <= span.begin && span.begin < span.end ? std::optional(span) : std::nullopt;
}

Expression get_expression(const Json& in) {
  Expression out;
  out.text = in.at("text").get<std::string>();
  const Json span = in.value("char_span", Json());
  if (span.is_array()) out.char_span = get_span(span);
  const Json noun = in.value("noun_chunk", Json());
  if (noun.is_string()) out.noun_chunk = noun.get<std::string>();
  return out;
}

Json instance_json(const Instance& instance) {
  const BoundingBox& box = instance.bbox;
  return {{"bbox", {box.x1, box.y1, box.x2, box.y2}}, {"score", instance.score}};
}

Instance get_instance(const Json& in, const ImageSize& image) {
  const Json& sides = in.at("bbox");
  const auto side = [&](std::size_t i, int least, int most) {
    return static_cast<int>(get_whole(sides.at(i), least, most));
  };
  BoundingBox box;
  box.x1 = side(0, 0, image.width - 1);
  box.y1 = side(1, 0, image.height - 1);
  box.x2 = side(2, box.x1 + 1, image.width);
  box.y2 = side(3, box.y1 + 1, image.height);
  const auto score = in.at("score").get<double>();
  if (!(score >= 0 && score <= 1)) throw std::out_of_range("a score is out of its range");
  return {box, score};
}

template <typename T, typename Read>
Result<T> decode(std::string_view text, Read read) {
  constexpr std::size_t kDeepest = 64;  // levels; a checkpoint has five
  if (nests_deeper_than(text, kDeepest)) {
    return fail(ErrorKind::kData, "damaged checkpoint: it is nested too deeply");
  }
  const Json parsed = parse_ordered_json(text);
  if (parsed.is_discarded()) {
    return fail(ErrorKind::kData, "damaged checkpoint: " + json_complaint(text));
  }
  try {
    return read(parsed);
  } catch (const std::exception& error) {
    return fail(ErrorKind::kData, std::string("damaged checkpoint: ") + error.what());
  }
}

}  // namespace

std::string extraction_fingerprint(const FingerprintInput& input) {
  return hash_of("0", input).hex().substr(0, kFingerprintDigits);
}

std::string grounding_fingerprint(const FingerprintInput& input,
                                  const std::vector<std::string>& expression_texts,
                                  std::string_view coordinates) {
  FieldHasher hasher = hash_of("1", input);
  hasher.add(coordinates);
  for (const std::string& text : expression_texts) hasher.add(text);
  return hasher.hex().substr(0, kFingerprintDigits);
}

std::string encode_checkpoint(const CheckpointHeader& header, const ExtractionResult& result) {
  Json out = header_json(header);
  put_size(out, result.size);
  if (result.size_declared) out["size_declared"] = true;
  out["cleaned_caption"] = result.cleaned_caption;
  out["expressions"] = Json::array();
  for (const Expression& expression : result.expressions) {
    out["expressions"].push_back(expression_json(expression));
  }
  return json_text(out) + "\n";
}

std::string encode_checkpoint(const CheckpointHeader& header,
                              const std::vector<std::string>& expression_texts,
                              const GroundingResult& result) {
  Json out = header_json(header);
  put_size(out, result.size);
  if (result.image_bytes > 0) out["picture_bytes"] = result.image_bytes;
  if (result.text_only) out["text_only"] = true;
  out["groundings"] = Json::array();
  for (std::size_t i = 0; i < result.instances.size(); ++i) {
    Json instances = Json::array();
    for (const Instance& instance : result.instances[i])
      instances.push_back(instance_json(instance));
    out["groundings"].push_back({{"text", expression_texts.at(i)}, {"instances", instances}});
  }
  return json_text(out) + "\n";
}

Result<ExtractionCheckpoint> decode_extraction_checkpoint(std::string_view text) {
  return decode<ExtractionCheckpoint>(text, [](const Json& in) {
    ExtractionCheckpoint out;
    out.header = get_header(in);
    out.result.size = get_size(in);
    out.result.size_declared = in.value("size_declared", false);
    out.result.cleaned_caption = in.at("cleaned_caption").get<std::string>();
    for (const Json& expression : in.at("expressions")) {
      out.result.expressions.push_back(get_expression(expression));
    }
    return out;
  });
}

Result<CheckpointHeader> decode_checkpoint_header(std::string_view text) {
  return decode<CheckpointHeader>(text, get_header);
}

Result<GroundingCheckpoint> decode_grounding_checkpoint(std::string_view text) {
  return decode<GroundingCheckpoint>(text, [](const Json& in) {
    GroundingCheckpoint out;
    out.header = get_header(in);
    out.result.size = get_size(in);
    if (in.contains("picture_bytes")) {
      out.result.image_bytes =
          static_cast<std::uint64_t>(get_whole(in.at("picture_bytes"), 0, kMaxExact));
    }
    out.result.text_only = in.value("text_only", false);
    constexpr ImageSize kAnySize{kMaxPixels, kMaxPixels};
    const ImageSize image = out.result.size.value_or(kAnySize);
    for (const Json& grounding : in.at("groundings")) {
      std::vector<Instance> instances;
      for (const Json& instance : grounding.at("instances")) {
        instances.push_back(get_instance(instance, image));
      }
      out.result.instances.push_back(std::move(instances));
    }
    return out;
  });
}

}  // namespace alig
