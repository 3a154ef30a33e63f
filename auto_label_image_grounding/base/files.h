// Small file helpers with errors that name the path and the reason.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>

#include "auto_label_image_grounding/base/status.h"

namespace alig {

// The whole file. kNotFound if it does not exist, otherwise kIo (also for a directory).
Result<std::string> read_file(const std::filesystem::path& path);

// The same, block by block, for files that need not fit in memory; stops at the first error
// returned by `take`.
Status read_in_blocks(const std::filesystem::path& path,
                      const std::function<Status(std::string_view)>& take);

enum class Sync { kNo, kYes };

// Durable replacement: writes a temporary file next to `path`, syncs it if asked, renames it over
// `path`. A reader sees the old bytes or the new ones, never a mixture. On an error the temporary
// file is removed and `path` is untouched. `temporary_folder`: an alternative place for it on the
// same file system, so that leftovers of a killed process can be found and removed.
Status write_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                             Sync sync = Sync::kNo,
                             const std::filesystem::path& temporary_folder = {});

// The same for a file that mostly does not exist yet, without sync: cheaper where many threads
// write into one folder. An existing file is replaced; `before_replacing`, if given, is called
// first and may move it out of the way; its error is returned and nothing is written.
Status write_new_file_atomically(const std::filesystem::path& path, std::string_view bytes,
                                 const std::filesystem::path& temporary_folder,
                                 const std::function<Status()>& before_replacing = {});

// Waits until everything written to the file system of `folder` is on its disk: one call for any
// number of files. kIo.
Status sync_filesystem(const std::filesystem::path& folder);

// Keeps the file at `path` under a new name next to it: "<stem>.previous<ext>", else
// "<stem>.previous-2<ext>", …; nothing is overwritten, and a file kept earlier keeps its name.
// `path` itself remains (by a hard link, or a copy where the file system has no links), so that a
// reader always finds it. Returns the new path; kIo.
Result<std::filesystem::path> keep_previous(const std::filesystem::path& path);

Status make_directories(const std::filesystem::path& path);

// A growing file that replaces `path` when committed: the guarantee of write_file_atomically for
// output that does not fit in memory. Not thread-safe.
class AtomicFile {
 public:
  static Result<AtomicFile> create(std::filesystem::path path,
                                   const std::filesystem::path& temporary_folder = {});
  AtomicFile(AtomicFile&& other) noexcept;
  AtomicFile& operator=(AtomicFile&&) = delete;
  ~AtomicFile();  // removes the temporary file if commit() was not reached

  Status append(std::string_view bytes);
  Status commit(Sync sync = Sync::kYes);

 private:
  AtomicFile(std::filesystem::path path, std::filesystem::path temporary, int fd);
  Status flush();

  std::filesystem::path path_;
  std::filesystem::path temporary_;
  int fd_ = -1;
  std::string buffer_;
};

}  // namespace alig
