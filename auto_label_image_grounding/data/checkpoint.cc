#include "auto_label_image_grounding/data/checkpoint.h"

#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t kFingerprintDigits = 32;

FieldHasher hash_of(const char* step, const FingerprintInput& input) {
  FieldHasher hasher;
  hasher.add(step).add(input.image_path).add(input.caption).add(input.custom_prompt_sha256);
  return hasher;
}

Json header_json(const CheckpointHeader& header) {
  return {{"fingerprint", header.fingerprint},
          {"model", scrub_utf8(header.model)},
          {"image_path", scrub_utf8(header.image_path)},
          {"caption", header.caption}};
}

void put_size(Json& out, const std::optional<PictureSize>& size) {
  if (!size) return;
  out["width"] = size->width;
  out["height"] = size->height;
}

std::optional<PictureSize> get_size(const Json& in) {
  if (!in.contains("width") || !in.contains("height")) return std::nullopt;
  return PictureSize{in.at("width").get<int>(), in.at("height").get<int>()};
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

Expression get_expression(const Json& in) {
  Expression out;
  out.text = in.at("text").get<std::string>();
  const Json span = in.value("char_span", Json());
  if (span.is_array())
    out.char_span = CharSpan{span.at(0).get<std::int64_t>(), span.at(1).get<std::int64_t>()};
  const Json noun = in.value("noun_chunk", Json());
  if (noun.is_string()) out.noun_chunk = noun.get<std::string>();
  return out;
}

Json instance_json(const Instance& instance) {
  const BoundingBox& box = instance.bbox;
  return {{"bbox", {box.x1, box.y1, box.x2, box.y2}}, {"score", instance.score}};
}

Instance get_instance(const Json& in) {
  const auto box = in.at("bbox").get<std::vector<int>>();
  return {{box.at(0), box.at(1), box.at(2), box.at(3)}, in.at("score").get<double>()};
}

template <typename T, typename Read>
Result<T> decode(std::string_view text, Read read) {
  try {
    return read(Json::parse(text));
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
  out["cleaned_caption"] = result.cleaned_caption;
  out["expressions"] = Json::array();
  for (const Expression& expression : result.expressions) {
    out["expressions"].push_back(expression_json(expression));
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

std::string encode_checkpoint(const CheckpointHeader& header,
                              const std::vector<std::string>& expression_texts,
                              const GroundingResult& result) {
  Json out = header_json(header);
  put_size(out, result.size);
  out["groundings"] = Json::array();
  for (std::size_t i = 0; i < result.instances.size(); ++i) {
    Json instances = Json::array();
    for (const Instance& instance : result.instances[i])
      instances.push_back(instance_json(instance));
    out["groundings"].push_back({{"text", expression_texts.at(i)}, {"instances", instances}});
  }
  return out.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

Result<ExtractionCheckpoint> decode_extraction_checkpoint(std::string_view text) {
  return decode<ExtractionCheckpoint>(text, [](const Json& in) {
    ExtractionCheckpoint out;
    out.header = get_header(in);
    out.result.size = get_size(in);
    out.result.cleaned_caption = in.at("cleaned_caption").get<std::string>();
    for (const Json& expression : in.at("expressions")) {
      out.result.expressions.push_back(get_expression(expression));
    }
    return out;
  });
}

Result<GroundingCheckpoint> decode_grounding_checkpoint(std::string_view text) {
  return decode<GroundingCheckpoint>(text, [](const Json& in) {
    GroundingCheckpoint out;
    out.header = get_header(in);
    out.result.size = get_size(in);
    for (const Json& grounding : in.at("groundings")) {
      std::vector<Instance> instances;
      for (const Json& instance : grounding.at("instances")) {
        instances.push_back(get_instance(instance));
      }
      out.result.instances.push_back(std::move(instances));
    }
    return out;
  });
}

}  // namespace alig
