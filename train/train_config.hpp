#pragma once
#include "core/config.hpp"
#include "core/schema.hpp"
#include "train/session.hpp"

namespace mg::train {

/// The config keys "train" and "checkpoint".
Schema train_schema();
Schema checkpoint_schema();

/// Of the key "train".
TrainerOptions trainer_options(const Config& train);
/// Of both keys; fingerprint and model_json are left empty.
SessionOptions session_options(const Config& train, const Config& checkpoint);

}  // namespace mg::train
