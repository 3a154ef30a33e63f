// Digests for fingerprints and published files.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

// SHA-256 (FIPS 180-4) as 64 lower-case hex digits.
std::string sha256_hex(std::string_view bytes);

// The same for bytes that arrive in pieces. Not thread-safe.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&& other) noexcept;
  Sha256& operator=(Sha256&& other) noexcept;

  void add(std::string_view bytes);
  std::string finish_hex();  // call once, at the end

 private:
  struct Context;
  std::unique_ptr<Context> context_;
};

// SHA-256 of a whole file, read in blocks. kIo.
Result<std::string> sha256_of_file(const std::filesystem::path& path);

// Hashes fields, each preceded by its length so that ("ab", "c") and ("a", "bc") differ.
class FieldHasher {
 public:
  FieldHasher& add(std::string_view field);
  std::string hex() const { return sha256_hex(fields_); }

 private:
  std::string fields_;
};

}  // namespace alig
