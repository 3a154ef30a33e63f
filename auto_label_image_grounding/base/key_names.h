// The spec keys named in messages, as full paths that can be pasted as overrides.
#pragma once

namespace alig::key {

#define ALIG_KEY(name, path) inline constexpr const char* name = "image_grounding." path

ALIG_KEY(kGeminiApiKey, "vlm.gemini.api_key");
ALIG_KEY(kGeminiBaseUrl, "vlm.gemini.base_url");
ALIG_KEY(kGeminiMaxOutputTokens, "vlm.gemini.max_output_tokens");
ALIG_KEY(kGeminiMediaResolution, "vlm.gemini.media_resolution");
ALIG_KEY(kGeminiModel, "vlm.gemini.model");
ALIG_KEY(kGeminiTemperature, "vlm.gemini.temperature");
ALIG_KEY(kGeminiTimeout, "vlm.gemini.timeout");
ALIG_KEY(kOpenAiApiKey, "vlm.openai.api_key");
ALIG_KEY(kOpenAiBaseUrl, "vlm.openai.base_url");
ALIG_KEY(kOpenAiExtraHeaders, "vlm.openai.extra_headers");
ALIG_KEY(kOpenAiMaxTokens, "vlm.openai.max_tokens");
ALIG_KEY(kOpenAiExtraBody, "vlm.openai.extra_body");
ALIG_KEY(kOpenAiModelName, "vlm.openai.model_name");
ALIG_KEY(kOpenAiTemperature, "vlm.openai.temperature");
ALIG_KEY(kOpenAiTimeout, "vlm.openai.timeout");
ALIG_KEY(kCoordinates, "vlm.coordinates");
ALIG_KEY(kMaxImageSide, "vlm.max_image_side");
ALIG_KEY(kMaxRetries, "vlm.max_retries");
ALIG_KEY(kOutagePatience, "vlm.outage_patience");
ALIG_KEY(kRateLimitPatience, "vlm.rate_limit_patience");
ALIG_KEY(kStartupPatience, "vlm.startup_patience");
ALIG_KEY(kStructuredOutput, "vlm.structured_output");
ALIG_KEY(kImageRoot, "data.image_root");
ALIG_KEY(kInputJsonl, "data.input_jsonl");
ALIG_KEY(kMaxImagePixels, "data.max_image_pixels");
ALIG_KEY(kOnMissingImage, "data.on_missing_image");
ALIG_KEY(kExtractionPrompt, "prompts.expression_extraction");
ALIG_KEY(kGroundingPrompt, "prompts.phrase_grounding");
ALIG_KEY(kForceReprocess, "workflow.force_reprocess");
ALIG_KEY(kMaxFailureRatio, "workflow.max_failure_ratio");
ALIG_KEY(kMaxRequests, "workflow.max_requests");
ALIG_KEY(kSteps, "workflow.steps");

#undef ALIG_KEY

}  // namespace alig::key
