// A dataset of scenes: images, captions in the input format, and the truth.
#pragma once

#include <cstdint>
#include <filesystem>

namespace demo {

// Sets of at least this size contain every special case (formats, EXIF, two captions, equal names).
inline constexpr int kMinRecords = 8;

enum class Sizes {
  kEveryday,  // 320 to 2304 pixels, like photographs on the web
  kExtreme,   // beyond 4000 pixels, five times as long as wide, odd numbers, rotated
};

// Writes folder/images/…, folder/captions.jsonl and folder/truth.jsonl; the same seed and count
// give the same scenes. Throws std::runtime_error.
void write_dataset(const std::filesystem::path& folder, int records, std::uint32_t seed,
                   Sizes sizes);

}  // namespace demo
