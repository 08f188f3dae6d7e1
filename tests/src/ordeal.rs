//! A restore that something happens to, at every moment at which something can.
//!
//! One server goes through all of it. It has two pasts, each saved: what it was before, and what it is now. Each point
//! begins with what it is now, restores what was before, and is struck on the way. Then come the wake-ups that Juju
//! sends. Whatever happened, the server is wholly the one or wholly the other by its content, it answers its users, its
//! status is active, nothing of the unfinished work lies about, and the next restore goes well, which is the beginning of
//! the next point.
//!
//! ```text
//!   Scene      one server, both pasts, and what must hold
//!   Point      a moment (a gate of the S3 server, or a call of the charm) and a harm
//!   Damaged    an object of a backup that something happened to in the bucket
//!   plan       all points: the calls are not written down anywhere, a good run is recorded and each of its calls is one
//! ```

mod damage;
mod footprint;
mod harm;
pub mod plan;
mod point;
mod scene;
mod soak;

pub use self::damage::{Damage, Damaged};
pub use self::harm::Harm;
pub use self::point::{Deed, Outcome, Point, When};
pub use self::scene::{Scene, Which};
pub use self::soak::Soak;
