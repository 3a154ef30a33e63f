#include "auto_label_image_grounding/vlm/backend.h"

#include "auto_label_image_grounding/vlm/backend_factories.h"

namespace alig {

TokenUsage& TokenUsage::operator+=(const TokenUsage& other) {
  input += other.input;
  output += other.output;
  thinking += other.thinking;
  cached += other.cached;
  return *this;
}

std::vector<std::unique_ptr<VlmBackend>> make_backends(const VlmSpec& spec) {
  std::vector<std::unique_ptr<VlmBackend>> out;
  if (spec.backend == Backend::kGemini) {
    out.push_back(make_gemini_backend(spec));
  } else {
    for (const std::string& url : spec.openai.base_urls) {
      out.push_back(make_openai_backend(spec, url));
    }
  }
  return out;
}

}  // namespace alig
