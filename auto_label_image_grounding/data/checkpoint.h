// The text of a checkpoint file: one finished sample of one step. Written and read only here.
//
// A checkpoint holds no ids (they are numbered when the output is written) and, for human readers,
// the input that it answers.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "auto_label_image_grounding/base/status.h"
#include "auto_label_image_grounding/data/annotation.h"

namespace alig {

// What a checkpoint must match to be used. A custom prompt counts, a built-in one does not:
// upgrading the program must not discard paid work.
struct FingerprintInput {
  std::string_view image_path;  // resolved
  std::string_view caption;
  std::string_view custom_prompt_sha256;  // "" for the built-in prompt
};
// 32 hex digits.
std::string extraction_fingerprint(const FingerprintInput& input);
// `coordinates` as set in the spec: boxes made with another convention must not be kept.
std::string grounding_fingerprint(const FingerprintInput& input,
                                  const std::vector<std::string>& expression_texts,
                                  std::string_view coordinates);

struct CheckpointHeader {
  std::string fingerprint;
  std::string model;
  std::string image_path;
  std::string caption;
};

std::string encode_checkpoint(const CheckpointHeader& header, const ExtractionResult& result);
std::string encode_checkpoint(const CheckpointHeader& header,
                              const std::vector<std::string>& expression_texts,
                              const GroundingResult& result);

struct ExtractionCheckpoint {
  CheckpointHeader header;  // fingerprint "": left by the stock pipeline, which writes none
  ExtractionResult result;
};
struct GroundingCheckpoint {
  CheckpointHeader header;
  GroundingResult result;
};
// kData for damaged or foreign text, and for values that no step writes: a size or a box without
// area, a box outside the image, a score outside [0,1].
Result<ExtractionCheckpoint> decode_extraction_checkpoint(std::string_view text);
Result<GroundingCheckpoint> decode_grounding_checkpoint(std::string_view text);
// Of either step's. kData for damaged or foreign text.
Result<CheckpointHeader> decode_checkpoint_header(std::string_view text);

}  // namespace alig
