#include "auto_label_image_grounding/data/sample.h"

#include <filesystem>
#include <utility>

#include <fmt/core.h>
#include <nlohmann/json.hpp>

#include "auto_label_image_grounding/base/hash.h"
#include "auto_label_image_grounding/base/text.h"

namespace alig {
namespace {

using nlohmann::json;

Result<std::string> required_string(const Record& record, const char* key) {
  const json value = record.value(key);
  if (value.is_null()) return fail(ErrorKind::kData, fmt::format("no \"{}\"", key));
  if (!value.is_string()) {
    return fail(ErrorKind::kData, fmt::format("\"{}\" is not text but {}", key, value.type_name()));
  }
  return value.get<std::string>();
}

std::string stem_of(const std::string& path) {
  const std::string stem = std::filesystem::path(path).stem().string();
  return stem.empty() ? path : stem;
}

Result<std::string> read_image_id(const Record& record, const std::string& image_path) {
  const json value = record.value("image_id");
  if (value.is_null()) return stem_of(image_path);
  if (value.is_number()) return *record.raw("image_id");  // as written: 007.0 is not 7
  if (!value.is_string()) {
    return fail(ErrorKind::kData,
                fmt::format("\"image_id\" is neither text nor a number but {}", value.type_name()));
  }
  std::string text = value.get<std::string>();
  return text.empty() ? stem_of(image_path) : text;
}

// A side in pixels; 0 where the record does not say (absent, null, or a placeholder like -1).
Result<int> read_side(const Record& record, const char* key) {
  const json value = record.value(key);
  if (value.is_null()) return 0;
  if (!value.is_number()) {
    return fail(ErrorKind::kData, fmt::format("\"{}\" is not a number of pixels: {}", key,
                                              shorten(*record.raw(key), 40)));
  }
  constexpr double kLargest = 1e9;
  const double side = value.get<double>();
  return side < 1 || side > kLargest ? 0 : static_cast<int>(side);
}

}  // namespace

std::string resolve_image_path(std::string_view image_root, std::string_view image_path) {
  if (image_root.empty() || image_path.substr(0, 1) == "/") return std::string(image_path);
  std::string out(image_root);
  if (out.back() != '/') out += '/';
  return out + std::string(image_path);
}

Result<Sample> read_input_sample(std::string_view line, std::string_view image_root) {
  auto record = Record::parse(line);
  if (!record) return tl::unexpected(record.error());
  auto path = required_string(*record, "image_path");
  if (!path) return tl::unexpected(path.error());
  if (path->empty()) return fail(ErrorKind::kData, "\"image_path\" is empty");
  if (path->find('\0') != std::string::npos) {
    return fail(ErrorKind::kData, "\"image_path\" holds a NUL character");
  }
  auto caption = required_string(*record, "caption");
  if (!caption) return tl::unexpected(caption.error());
  auto id = read_image_id(*record, *path);
  if (!id) return tl::unexpected(id.error());
  auto width = read_side(*record, "width");
  if (!width) return tl::unexpected(width.error());
  auto height = read_side(*record, "height");
  if (!height) return tl::unexpected(height.error());

  Sample sample;
  sample.image_path = resolve_image_path(image_root, *path);
  sample.image_id = std::move(*id);
  sample.caption = std::move(*caption);
  if (*width > 0 && *height > 0) sample.declared_size = ImageSize{*width, *height};
  sample.record = std::move(*record);
  return sample;
}

namespace {

// The error as render.cc writes it; any other value counts as one too.
std::optional<RecordError> error_of(const json& error) {
  if (error.is_null()) return std::nullopt;
  const auto text = [&](const char* key, const char* otherwise) {
    const json value = error.is_object() ? error.value(key, json()) : json();
    return value.is_string() ? value.get<std::string>() : std::string(otherwise);
  };
  const auto step = step_named(text("step", name_of(Step::kExtraction)));
  return RecordError{step.value_or(Step::kExtraction), text("kind", "unknown"),
                     text("message", "failed in an earlier step"), 0, 0};
}

}  // namespace

Result<ExtractedSample> read_extracted_sample(std::string_view line) {
  auto record = Record::parse(line);
  if (!record) return tl::unexpected(record.error());
  return read_extracted_record(*record);
}

Result<ExtractedSample> read_extracted_record(const Record& record) {
  auto sample = read_input_sample(record.dump(), "");
  if (!sample) return tl::unexpected(sample.error());
  ExtractedSample out;
  out.sample = std::move(*sample);
  out.error = error_of(record.value("error"));
  const json expressions = record.value("expressions");
  if (!expressions.is_array()) {
    return fail(ErrorKind::kData, "no list \"expressions\": run step 0 first");
  }
  for (const json& expression : expressions) {
    if (!expression.is_object() || !expression.contains("text") ||
        !expression["text"].is_string()) {
      return fail(ErrorKind::kData, "an element of \"expressions\" has no \"text\"");
    }
    out.texts.push_back(expression["text"].get<std::string>());
    if (trim(out.texts.back()).empty()) {
      return fail(ErrorKind::kData, "an element of \"expressions\" has an empty \"text\"");
    }
  }
  return out;
}

}  // namespace alig
