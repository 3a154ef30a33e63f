#include "auto_label_image_grounding/vlm/backend.h"

#include "auto_label_image_grounding/base/text.h"
#include "auto_label_image_grounding/vlm/backend_factories.h"

namespace alig {

namespace {

// Formats that most endpoints take and some do not; JPEG and PNG are taken by all.
bool may_be_refused(std::string_view image_type) {
  return image_type == "image/webp" || image_type == "image/gif";
}

// `body` in lower case. Servers word it as "unsupported image format", "invalid image type",
// "cannot identify image file", "media type image/webp is not supported", …
bool is_about_image_format(const std::string& body) {
  const auto mentions = [&](const char* word) { return body.find(word) != std::string::npos; };
  if (mentions("webp") || mentions("gif")) return true;
  return mentions("image") && (mentions("format") || mentions("unsupported") || mentions("mime") ||
                               mentions("media type") || mentions("media_type") ||
                               mentions("identify") || mentions("decode"));
}

}  // namespace

TokenUsage& TokenUsage::operator+=(const TokenUsage& other) {
  input += other.input;
  output += other.output;
  thinking += other.thinking;
  cached += other.cached;
  return *this;
}

std::unique_ptr<VlmBackend> make_backend(const VlmSpec& spec) {
  return spec.backend == Backend::kGemini ? make_gemini_backend(spec) : make_openai_backend(spec);
}

std::optional<EndpointQuirks> quirks_after_refusal(const HttpResponse& response,
                                                   const EndpointQuirks& quirks,
                                                   StructuredOutput setting,
                                                   std::string_view image_type) {
  if (response.status != 400 && response.status != 415 && response.status != 422) {
    return std::nullopt;
  }
  const std::string body = ascii_lower(response.body);
  const auto mentions = [&](const char* word) { return body.find(word) != std::string::npos; };
  EndpointQuirks changed = quirks;
  if (!quirks.max_completion_tokens && mentions("max_completion_tokens")) {
    changed.max_completion_tokens = true;
    return changed;
  }
  if (may_be_refused(image_type) && is_about_image_format(body)) {
    changed.refused_image_types.emplace(image_type);
    if (changed != quirks) return changed;
  }
  const bool about_schema = mentions("schema") || mentions("response_format") ||
                            mentions("responsemimetype") || mentions("response_mime_type") ||
                            mentions("xgrammar") || mentions("too many states");
  if (setting == StructuredOutput::kAuto && quirks.structured_output && about_schema) {
    changed.structured_output = false;
    return changed;
  }
  return std::nullopt;
}

}  // namespace alig
